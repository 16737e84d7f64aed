//! Relay agent authentication, sub-option 8 of option 82 (RFC 4030).
//!
//! ```text
//! algorithm | MBZ:4 RDM:4=1 | replay u64 | relay-id u32 | key-id u32 | MAC (20 octets, or 32 with algorithm 250)
//! ```
//! The MAC covers the whole message with hops, giaddr and the MAC itself as zeros, so a relay on the way changes
//! nothing (H-BR-25). RFC 4030 8.2 lets the key-id stand, 7 and 9.3 speak of zeroing it too: we send the first form
//! unless the key says otherwise, and accept both.
//!
//! The relay identifier tells relays with the same address and key apart: members of a cluster. Each counts by itself, since
//! they can't all count in one order (H-BR-16, X-7). Outside of a cluster it is 0.

use core::ops::Range;

use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::Sha256;
use thiserror::Error;

use super::agent::{AgentBuilder, AgentInformation, sub};
use super::dhcp4::{Message, field};
use super::tlv::array;

mod replay;
mod secret;
pub use replay::{ReplayWindow, Replayed};
pub use secret::Secret;

use secret::Ready;

/// The MAC's hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    /// HMAC-SHA1, the standard's only one.
    HmacSha1 = 1,
    /// HMAC-SHA-256, private (H-BR-15).
    HmacSha256 = 250,
}

impl Algorithm {
    const fn mac_length(self) -> usize {
        match self {
            Self::HmacSha1 => 20,
            Self::HmacSha256 => 32,
        }
    }

    /// Octets of the sub-option's value: 38 or 50.
    pub const fn value_length(self) -> usize {
        FIXED + self.mac_length()
    }

    fn from_u8(number: u8) -> Option<Self> {
        [Self::HmacSha1, Self::HmacSha256].into_iter().find(|algorithm| *algorithm as u8 == number)
    }
}

/// Octets before the MAC.
const FIXED: usize = 18;
const REPLAY: usize = 2;
const RELAY: usize = 10;
const KEY_ID: usize = 14;
/// Replay detection method 1: the counter only ever grows.
const RDM: u8 = 1;

/// A shared secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Key-id, the same on both sides.
    pub id: u32,
    /// The secret.
    pub secret: Secret,
    /// What it is used with; a message with another algorithm is refused.
    pub algorithm: Algorithm,
    /// Sign with the key-id zeroed as well (the other reading of RFC 4030).
    pub zero_key_id: bool,
    /// The relay identifier that we sign with: a member's number, 0 outside of a cluster.
    pub relay: u32,
}

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Key {{ id: {}, algorithm: {:?}, .. }}", self.id, self.algorithm) // never the secret
    }
}

/// The message has no sub-option 8 of this key's form in an unsplit option 82.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("no authentication sub-option to fill")]
pub struct NotSignable;

/// Whose message it is; the replay counter must still be put to a [`ReplayWindow`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verified {
    /// The key that was used.
    pub key_id: u32,
    /// The relay identifier: whose counter it is, of those that use the key.
    pub relay: u32,
    /// The sender's counter.
    pub replay: u64,
}

/// Why a message is not authentic.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum AuthError {
    /// No sub-option 8.
    #[error("the message carries no authentication")]
    Missing,
    /// No key of this id and algorithm.
    #[error("unknown key-id {0}")]
    UnknownKey(u32),
    /// The MAC does not fit.
    #[error("the message authentication code is wrong")]
    BadMac,
    /// The message or the sub-option is not well formed, or there are two of them.
    #[error("the authentication sub-option is malformed")]
    Malformed,
}

/// Sub-option 8 as found in a message, before it is believed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// Where its value lies in the message.
    value: Range<usize>,
    algorithm: Algorithm,
    /// Key it names.
    pub key_id: u32,
    /// Relay identifier it names.
    pub relay: u32,
    /// Replay counter it names; checked against the window before the MAC is computed.
    pub replay: u64,
}

impl Claim {
    /// Finds the sub-option.
    pub fn find(octets: &[u8]) -> Result<Self, AuthError> {
        let message = Message::parse(octets).map_err(|_| AuthError::Malformed)?;
        let range = match message.agent_count() {
            0 => return Err(AuthError::Missing),
            _ => message.agent_range().ok_or(AuthError::Malformed)?,
        };
        let agent = AgentInformation::parse(&octets[range.clone()]).map_err(|_| AuthError::Malformed)?;
        let mut at = range.start;
        let mut found = None;
        for (code, value) in agent.iter() {
            if code == sub::AUTHENTICATION && found.replace(at + 2..at + 2 + value.len()).is_some() {
                return Err(AuthError::Malformed);
            }
            at += 2 + value.len();
        }
        let value = found.ok_or(AuthError::Missing)?;
        let fields = &octets[value.clone()];
        let algorithm = fields.first().copied().and_then(Algorithm::from_u8).ok_or(AuthError::Malformed)?;
        if fields.len() != algorithm.value_length() || fields[1] & 0x0f != RDM {
            return Err(AuthError::Malformed);
        }
        let replay = array(fields, REPLAY).map_or(0, u64::from_be_bytes);
        let relay = array(fields, RELAY).map_or(0, u32::from_be_bytes);
        let key_id = array(fields, KEY_ID).map_or(0, u32::from_be_bytes);
        Ok(Self { value, algorithm, key_id, relay, replay })
    }

    /// The MAC of the message that it was found in.
    pub fn mac<'a>(&self, octets: &'a [u8]) -> Option<&'a [u8]> {
        octets.get(self.value.start + FIXED..self.value.end)
    }

    /// Checks the MAC under the key it names, in either form.
    pub fn verify(&self, octets: &[u8], keys: &[Key]) -> Result<Verified, AuthError> {
        let key = keys
            .iter()
            .find(|key| key.id == self.key_id && key.algorithm == self.algorithm)
            .ok_or(AuthError::UnknownKey(self.key_id))?;
        let mac = self.mac(octets).ok_or(AuthError::Malformed)?;
        for zero_key_id in [key.zero_key_id, !key.zero_key_id] {
            if verify_mac(key, octets, &self.value, zero_key_id, mac) {
                return Ok(Verified { key_id: self.key_id, relay: self.relay, replay: self.replay });
            }
        }
        Err(AuthError::BadMac)
    }
}

/// The value of a sub-option 8 whose MAC is still zero. Put it into option 82, build the message, [`sign`] it.
pub fn placeholder(key: &Key, replay: u64) -> Vec<u8> {
    let mut value = vec![0; key.algorithm.value_length()];
    value[0] = key.algorithm as u8;
    value[1] = RDM;
    value[REPLAY..REPLAY + 8].copy_from_slice(&replay.to_be_bytes());
    value[RELAY..RELAY + 4].copy_from_slice(&key.relay.to_be_bytes());
    value[KEY_ID..KEY_ID + 4].copy_from_slice(&key.id.to_be_bytes());
    value
}

/// Fills in the MAC of a message that carries a [`placeholder`], and returns what it signed. Nothing but hops and giaddr
/// may change afterwards.
pub fn sign(octets: &mut [u8], key: &Key) -> Result<Claim, NotSignable> {
    let claim = Claim::find(octets).map_err(|_| NotSignable)?;
    if claim.algorithm != key.algorithm {
        return Err(NotSignable);
    }
    let at = claim.value.start + FIXED;
    match key.algorithm {
        Algorithm::HmacSha1 => {
            let mac = digest::<Hmac<Sha1>>(key, octets, &claim.value, key.zero_key_id).finalize().into_bytes();
            octets[at..at + mac.len()].copy_from_slice(&mac);
        }
        Algorithm::HmacSha256 => {
            let mac = digest::<Hmac<Sha256>>(key, octets, &claim.value, key.zero_key_id).finalize().into_bytes();
            octets[at..at + mac.len()].copy_from_slice(&mac);
        }
    }
    Ok(claim)
}

/// Appends sub-option 8 to the option 82 that a finished message carries, and signs.
pub fn append_and_sign(octets: &[u8], key: &Key, replay: u64) -> Result<Vec<u8>, NotSignable> {
    let message = Message::parse(octets).map_err(|_| NotSignable)?;
    let range = message.agent_range().ok_or(NotSignable)?;
    let value = AgentBuilder::from_value(&octets[range.clone()])
        .sub(sub::AUTHENTICATION, &placeholder(key, replay))
        .finish()
        .ok_or(NotSignable)?;
    let length = u8::try_from(value.len()).map_err(|_| NotSignable)?;
    let mut out = [&octets[..range.start - 1], &[length], &value, &octets[range.end..]].concat();
    sign(&mut out, key)?;
    Ok(out)
}

/// Finds and verifies sub-option 8. The replay counter is the caller's to check: before this by [`Claim::find`] and
/// [`ReplayWindow::check`], and to accept after it.
pub fn verify(octets: &[u8], keys: &[Key]) -> Result<Verified, AuthError> {
    Claim::find(octets)?.verify(octets, keys)
}

fn verify_mac(key: &Key, octets: &[u8], value: &Range<usize>, zero_key_id: bool, mac: &[u8]) -> bool {
    match key.algorithm {
        Algorithm::HmacSha1 => digest::<Hmac<Sha1>>(key, octets, value, zero_key_id).verify_slice(mac).is_ok(),
        Algorithm::HmacSha256 => digest::<Hmac<Sha256>>(key, octets, value, zero_key_id).verify_slice(mac).is_ok(),
    }
}

fn digest<M: Mac + Ready>(key: &Key, octets: &[u8], value: &Range<usize>, zero_key_id: bool) -> M {
    const ZEROS: [u8; 36] = [0; 36];
    let mut mac = M::begin(&key.secret);
    let zeroed = value.start + if zero_key_id { KEY_ID } else { FIXED };
    mac.update(&octets[..field::HOPS]);
    mac.update(&ZEROS[..1]);
    mac.update(&octets[field::XID..field::GIADDR]);
    mac.update(&ZEROS[..4]);
    mac.update(&octets[field::CHADDR..zeroed]);
    mac.update(&ZEROS[..value.end - zeroed]);
    mac.update(&octets[value.end..]);
    mac
}

#[cfg(test)]
mod tests;
