//! What a bulk release reply says, and whether to believe it.

use core::net::Ipv4Addr;

use super::config::ReleaseConfig;
use super::transaction::Transaction;
use crate::capability::Observation;
use crate::scope::Epoch;
use crate::wire::agent::{AgentInformation, sub};
use crate::wire::bulk_release::{BulkRelease, Capability, Operation, ScopeResult};
use crate::wire::dhcp4::{Message, REPLY, code};
use crate::wire::relay_auth::{AuthError, Claim, ReplayWindow};

/// A well-formed reply, not yet matched with what was asked.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) txid: u64,
    pub(super) xid: u32,
    pub(super) last: bool,
    /// The server's total.
    pub(super) count: u32,
    /// Option 151; absent is success.
    status: u8,
    identifier: Option<Ipv4Addr>,
    relay_id: Vec<u8>,
    release: BulkRelease,
}

/// Why a reply is without effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reject {
    Malformed,
    Unmatched,
    Unauthenticated,
    Forged,
    Replayed,
}

impl Reply {
    /// Whether the message is of the reply's type at all.
    pub(super) fn is_one(message: &Message<'_>, config: &ReleaseConfig) -> bool {
        message.op() == REPLY && message.kind() == Some(config.code_points.reply_type)
    }

    pub(super) fn read(message: &Message<'_>, config: &ReleaseConfig) -> Result<Self, Reject> {
        let agent = message.agent_information().ok_or(Reject::Malformed)?;
        let agent = AgentInformation::parse(agent).map_err(|_| Reject::Malformed)?;
        let release = BulkRelease::decode(&agent, &config.code_points).map_err(|_| Reject::Malformed)?;
        let release = release.ok_or(Reject::Malformed)?;
        let header = release.transaction.ok_or(Reject::Malformed)?;
        if header.operation != Operation::Result {
            return Err(Reject::Malformed);
        }
        let status = match message.option(code::STATUS_CODE) {
            Some(value) => *value.first().ok_or(Reject::Malformed)?,
            None => 0,
        };
        Ok(Self {
            txid: header.txid,
            xid: message.xid(),
            last: header.final_,
            count: header.count,
            status,
            identifier: message.address_option(code::SERVER_ID),
            relay_id: agent.get(sub::RELAY_ID).unwrap_or_default().to_vec(),
            release,
        })
    }

    /// Checks it against the transaction that has its txid: xid, server, device, and the same scopes in the same
    /// order with one result each. A refusal (option 151) may come without scopes.
    pub(super) fn matches(&self, asked: &Transaction, cutoff: Epoch, config: &ReleaseConfig) -> Result<(), Reject> {
        let identified = self.identifier.is_some_and(|id| id == asked.identifier || id == asked.server);
        // An absent relay-id leaves room in a large reply; the scopes name the device as well.
        let ours = self.relay_id.is_empty() || self.relay_id == config.device.octets();
        if self.xid != asked.xid || !identified || !ours {
            return Err(Reject::Unmatched);
        }
        if self.refused() && self.release.scopes.is_empty() && self.release.results.is_empty() {
            return Ok(());
        }
        let wanted = asked.request(&config.device, cutoff).scopes;
        let in_order = |(place, result): (usize, &ScopeResult)| usize::from(result.index) == place;
        // A server leaves the scopes out of a reply that they would make too large.
        let named =
            self.release.scopes == wanted || (self.release.scopes.is_empty() && !asked.reply_fits(config, cutoff));
        let complete = named
            && self.release.results.len() == wanted.len()
            && self.release.results.iter().enumerate().all(in_order);
        if complete { Ok(()) } else { Err(Reject::Malformed) }
    }

    pub(super) fn refused(&self) -> bool {
        self.status != 0
    }

    pub(super) fn status(&self) -> u8 {
        self.status
    }

    /// One per scope of the transaction, in order; none in a bare refusal.
    pub(super) fn results(&self) -> &[ScopeResult] {
        &self.release.results
    }

    /// What its CAP says about the server.
    pub(super) fn observation(&self) -> Option<Observation> {
        let capability = self.release.capability.filter(|capability| capability.version == Capability::VERSION)?;
        let has = |flag| capability.flags & flag != 0;
        if has(Capability::SERVER_REFUSED) {
            Some(Observation::Refused)
        } else if has(Capability::SERVER_CAPABLE) {
            let will_reply = has(Capability::WILL_REPLY);
            Some(Observation::Capable { max_scopes: capability.max_scopes, will_reply })
        } else {
            None // a reply of this type is none that an unaware server could echo
        }
    }
}

/// Checks the signature: the replay counter before the MAC, and taken note of only after it (RFC 4030 section 9).
/// `Ok(false)`: there is no key, and unauthenticated replies are believed.
pub(super) fn authenticate(payload: &[u8], window: &mut ReplayWindow, config: &ReleaseConfig) -> Result<bool, Reject> {
    let Some(key) = &config.key else {
        return if config.allow_unauthenticated { Ok(false) } else { Err(Reject::Unauthenticated) };
    };
    let reject = |error| match error {
        AuthError::Missing => Reject::Unauthenticated,
        _ => Reject::Forged,
    };
    let claim = Claim::find(payload).map_err(reject)?;
    window.check(claim.replay).map_err(|_| Reject::Replayed)?;
    claim.verify(payload, core::slice::from_ref(key)).map_err(reject)?;
    window.accept(claim.replay);
    Ok(true)
}
