//! Leases, and the single logouts that have ended some.

use core::net::Ipv4Addr;

use gateway_core::line::HardwareAddress;
use gateway_core::scope::{Epoch, Scope};
use gateway_core::time::Instant;

use super::VERSION;
use super::field::{Reader, decode_scope, encode_scope};
use super::now::{Moment, Now};

/// A single logout as it is remembered: leases of its scope up to this epoch and transaction number are over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cutoff {
    pub(crate) epoch: Epoch,
    pub(crate) sequence: u64,
    /// From when on what it ended may be another client's (H-BR-24).
    pub(crate) free_from: Instant,
}

impl Cutoff {
    /// The number, and the time in Unix seconds if it is still to come.
    pub(crate) fn encode(&self, now: &Now) -> Vec<u8> {
        let mut value = self.sequence.to_be_bytes().to_vec();
        if self.free_from > now.at {
            value.extend_from_slice(&now.unix_seconds_of(self.free_from).to_be_bytes());
        }
        value
    }

    pub(crate) fn decode(epoch: Epoch, value: &[u8], now: &Now) -> Option<Self> {
        let mut reader = Reader(value);
        let sequence = u64::from_be_bytes(reader.array()?);
        let free_from = match reader.0 {
            [] => Instant::ZERO,
            time => now.instant_of(u64::from_be_bytes(time.try_into().ok()?)),
        };
        Some(Self { epoch, sequence, free_from })
    }

    /// Whether whatever `other` ended is ended by this one too.
    pub(crate) fn covers(&self, other: Self) -> bool {
        self.epoch >= other.epoch && self.sequence >= other.sequence
    }
}

/// What a lease is, on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Durable {
    /// In force until it expires.
    Active = 2,
    /// Released by its client.
    Released = 4,
    /// Declined.
    Abandoned = 5,
}

/// A lease record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LeaseRecord<'a> {
    pub(crate) state: Durable,
    pub(crate) hardware: HardwareAddress,
    pub(crate) client_id: &'a [u8],
    pub(crate) agent_information: &'a [u8],
    pub(crate) relay: Ipv4Addr,
    pub(crate) sequence: u64,
    pub(crate) last: Moment,
    pub(crate) expires: Instant,
    pub(crate) scope: Option<Scope>,
}

impl<'a> LeaseRecord<'a> {
    /// Whether nobody has the address by it any more, and it is held for nobody.
    pub(crate) fn is_over(&self, now: &Now) -> bool {
        // What was released and not held for a time has a time that never ends.
        self.expires <= now.at || (self.state == Durable::Released && self.expires == Instant::NEVER)
    }

    pub(crate) fn encode(&self, now: &Now) -> Vec<u8> {
        let mut out = Vec::with_capacity(96 + self.client_id.len() + self.agent_information.len());
        out.extend_from_slice(&[VERSION, self.state as u8, self.hardware.htype(), self.hardware.hlen()]);
        out.extend_from_slice(self.hardware.address());
        for field in [self.client_id, self.agent_information] {
            let field = &field[..field.len().min(255)];
            out.push(field.len() as u8); // cut to 255 above
            out.extend_from_slice(field);
        }
        out.extend_from_slice(&self.relay.octets());
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&now.unix_of(self.last).to_be_bytes());
        out.extend_from_slice(&now.unix_seconds_of(self.expires).to_be_bytes());
        if let Some(scope) = &self.scope {
            encode_scope(scope, &mut out);
        }
        out
    }

    pub(crate) fn decode(value: &'a [u8], now: &Now) -> Option<Self> {
        let mut reader = Reader(value);
        let [VERSION, state, htype, hlen] = reader.array()? else { return None };
        let state = match state {
            2 => Durable::Active,
            4 => Durable::Released,
            5 => Durable::Abandoned,
            _ => return None,
        };
        let address = reader.take(usize::from(hlen))?;
        let mut chaddr = [0; 16];
        chaddr.get_mut(..address.len())?.copy_from_slice(address);
        let hardware = HardwareAddress::new(htype, hlen, chaddr)?;
        let client_id = reader.counted()?;
        let agent_information = reader.counted()?;
        let relay = Ipv4Addr::from(reader.array::<4>()?);
        let sequence = u64::from_be_bytes(reader.array()?);
        let last = now.moment_of(u64::from_be_bytes(reader.array()?));
        let expires = now.instant_of(u64::from_be_bytes(reader.array()?));
        let scope = if reader.0.is_empty() { None } else { Some(decode_scope(reader.0)?) };
        Some(Self { state, hardware, client_id, agent_information, relay, sequence, last, expires, scope })
    }
}
