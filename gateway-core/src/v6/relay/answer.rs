//! What a REPLY says about leases.

use super::{GivenUp, Reason};
use crate::time::{Duration, Instant};
use crate::v6::Grant;
use crate::wire::dhcp6::{Duid, Ia, IaKind, Lease, Message, Prefix, status};

/// A REPLY, as far as leases are concerned.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    pub(super) client: Duid<'a>,
    pub(super) server: Duid<'a>,
    /// Leases that are granted or extended.
    pub(super) granted: Vec<Grant>,
    /// Leases whose valid lifetime is 0: they are over (RFC 8415 section 18.2.10.1).
    pub(super) ended: Vec<Prefix>,
    /// IAs that the server knows nothing of.
    pub(super) unknown: Vec<(IaKind, u32)>,
    /// IAs with any other failure.
    failed: Vec<(IaKind, u32)>,
    /// The message as a whole reports no failure.
    success: bool,
}

impl<'a> Answer<'a> {
    /// Reads a REPLY; `None` when it has no IA and so nothing to say, like that to a CONFIRM or INFORMATION-REQUEST.
    pub(super) fn read(message: &Message<'a>, now: Instant) -> Result<Option<Self>, Reason> {
        let malformed = |_| Reason::Malformed;
        let ias = message.ias().map_err(malformed)?;
        let success = message.status().map_err(malformed)?.is_none_or(|status| status.code == status::SUCCESS);
        // A client discards a REPLY without either (RFC 8415 section 16.10).
        let (client, server) = match (message.client_id().map_err(malformed)?, message.server_id().map_err(malformed)?)
        {
            (Some(client), Some(server)) => (client, server),
            _ if ias.is_empty() => return Ok(None),
            _ => return Err(Reason::Malformed),
        };
        let (granted, ended, unknown, failed) = Default::default();
        let mut answer = Self { client, server, granted, ended, unknown, failed, success };
        if success {
            ias.iter().try_for_each(|ia| answer.take(ia, now))?;
        }
        Ok(Some(answer))
    }

    fn take(&mut self, ia: &Ia<'_>, now: Instant) -> Result<(), Reason> {
        match ia.status.map_or(status::SUCCESS, |status| status.code) {
            status::SUCCESS => {}
            status::NO_BINDING => self.unknown.push((ia.kind, ia.iaid)),
            _ => self.failed.push((ia.kind, ia.iaid)),
        }
        for lease in ia.leases() {
            let Lease { binding, preferred, valid, status, .. } = lease;
            let prefix = binding.prefix();
            // A client discards a lease whose preferred lifetime is the longer one (RFC 8415 sections 21.6 and 21.22).
            if status.is_some_and(|status| status.code != status::SUCCESS) || preferred > valid {
                continue;
            }
            if valid == 0 {
                self.ended.push(prefix);
                continue;
            }
            if !is_fit(prefix) {
                return Err(Reason::UnfitLease);
            }
            let expires = match valid {
                u32::MAX => Instant::NEVER,
                seconds => now + Duration::from_secs(seconds.into()),
            };
            self.granted.push(Grant { prefix, kind: ia.kind, iaid: Some(ia.iaid), expires });
        }
        // What failed grants nothing, whatever it lists.
        if ia.status.is_some_and(|status| status.code != status::SUCCESS) {
            self.granted.retain(|grant| (grant.kind, grant.iaid) != (ia.kind, Some(ia.iaid)));
        }
        Ok(())
    }

    /// Which of the leases that a RELEASE or DECLINE gave up are given up. Nothing is when the message as a whole failed;
    /// an IA that the server has no binding for is as good as released (RFC 8415 sections 18.2.7, 18.3.7).
    pub(super) fn confirmed(&self, given_up: &GivenUp) -> Vec<Prefix> {
        let confirmed = |(kind, iaid, _): &&(IaKind, u32, Prefix)| !self.failed.contains(&(*kind, *iaid));
        if !self.success {
            return Vec::new();
        }
        given_up.leases.iter().filter(confirmed).map(|(_, _, prefix)| *prefix).collect()
    }
}

/// Whether a subscriber can have it: unicast, of more scope than its link, and not everything.
pub(super) fn is_fit(prefix: Prefix) -> bool {
    let address = prefix.address();
    let local = address.is_unspecified() || address.is_loopback() || address.is_unicast_link_local();
    prefix.length() >= SHORTEST && !local && !address.is_multicast()
}

/// Nobody delegates more: regional registries themselves hold pieces of this size.
const SHORTEST: u8 = 16;
