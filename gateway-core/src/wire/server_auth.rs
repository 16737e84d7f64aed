//! Authentication between DHCP servers that share a key: option 90 of RFC 3118, as its delayed authentication (section 5)
//! has it in every message but the first. Here the first one has it too, since who may ask is what it is for (H-SN-20).
//!
//! ```text
//! protocol 1 | algorithm 1 | RDM 0 | replay u64 | secret id u32 | HMAC-MD5, 16 octets
//! ```
//! The HMAC covers the whole message with hops, giaddr and itself as zeros (section 5.4).

use core::ops::Range;
use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;

use super::dhcp4::{HEADER, Message, code, field};
use super::tlv::OptionWalk;

const PROTOCOL: u8 = 1;
const HMAC_MD5: u8 = 1;
const MONOTONIC: u8 = 0;
/// Octets before the digest.
const FIXED: usize = 15;
const LENGTH: usize = FIXED + 16;

/// A key that servers share.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerKey {
    /// Its number, the secret id.
    pub id: u32,
    /// The secret.
    pub secret: Arc<[u8]>,
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl ServerKey {
    /// Adds option 90. `replay` must rise from message to message (section 5.6.1). What is no message stays as it is.
    pub fn sign(&self, message: &mut Vec<u8>, replay: u64) {
        let Some(at) = Message::parse(message).ok().map(|message| message.end()) else { return };
        let fixed = [&[PROTOCOL, HMAC_MD5, MONOTONIC][..], &replay.to_be_bytes(), &self.id.to_be_bytes()].concat();
        let option = [&[code::AUTHENTICATION, LENGTH as u8][..], &fixed, &[0; 16]].concat();
        message.splice(at..at, option);
        let digest = at + 2 + FIXED..at + 2 + LENGTH;
        let right = self.mac(message, &digest).finalize().into_bytes();
        message[digest].copy_from_slice(&right);
    }

    /// The replay counter of an authentic message.
    pub fn verify(&self, message: &[u8]) -> Option<u64> {
        let digest = digest_of(message)?;
        let (replay, id) = message[digest.start - 12..digest.start].split_at(8);
        let is_right = self.mac(message, &digest).verify_slice(&message[digest]).is_ok();
        (is_right && id == self.id.to_be_bytes()).then_some(u64::from_be_bytes(replay.try_into().ok()?))
    }

    fn mac(&self, message: &[u8], digest: &Range<usize>) -> Hmac<Md5> {
        let mut zeroed = message.to_vec();
        zeroed[field::HOPS] = 0;
        zeroed[field::GIADDR..field::GIADDR + 4].fill(0);
        zeroed[digest.clone()].fill(0);
        let mut mac = Hmac::<Md5>::new_from_slice(&self.secret).expect("any length");
        mac.update(&zeroed);
        mac
    }
}

/// Where the digest of a message is. Of several options 90 the first one counts, and the others are covered by it.
fn digest_of(message: &[u8]) -> Option<Range<usize>> {
    let mut walk = OptionWalk::new(message.get(HEADER..)?);
    while let Some(triple) = walk.step().ok()? {
        if triple.code == code::AUTHENTICATION {
            let fits = triple.value.len() == LENGTH && triple.value[..3] == [PROTOCOL, HMAC_MD5, MONOTONIC];
            let start = HEADER + triple.at + 2 + FIXED;
            return fits.then_some(start..start + 16);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::dhcp4::{Builder, REQUEST, kind};

    fn key(id: u32, secret: &[u8]) -> ServerKey {
        ServerKey { id, secret: secret.into() }
    }

    fn message() -> Vec<u8> {
        Builder::new(REQUEST).kind(kind::DISCOVER).option(code::CLIENT_ID, b"west").finish()
    }

    /// RFC 3118 sections 2, 5.1 and 5.4: where everything is, and that the digest is the HMAC of all of it.
    #[test]
    fn the_option_on_the_wire() {
        let plain = message();
        let mut signed = plain.clone();
        let key = key(0x0102_0304, b"0123456789abcdef");
        key.sign(&mut signed, 7);
        let at = plain.len() - 1;
        assert_eq!(signed[..at], plain[..at]);
        assert_eq!(signed[at..at + 17], [90, 31, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 7, 1, 2, 3, 4]);
        assert_eq!((signed.len(), signed.last()), (plain.len() + 33, Some(&255)));
        let mut zeroed = signed.clone();
        zeroed[at + 17..at + 33].fill(0);
        let mut mac = Hmac::<Md5>::new_from_slice(b"0123456789abcdef").unwrap();
        mac.update(&zeroed);
        assert_eq!(signed[at + 17..at + 33], mac.finalize().into_bytes()[..]);
        assert_eq!(key.verify(&signed), Some(7));
    }

    /// H-SN-20: another key, another number and any changed octet make it wrong; hops and giaddr are relays' to change.
    #[test]
    fn what_is_covered() {
        let ours = key(1, b"0123456789abcdef");
        let mut signed = message();
        ours.sign(&mut signed, u64::MAX);
        for at in 0..signed.len() {
            let mut changed = signed.clone();
            changed[at] ^= 1;
            let is_free = at == field::HOPS || (field::GIADDR..field::GIADDR + 4).contains(&at);
            assert_eq!(ours.verify(&changed).is_some(), is_free, "octet {at}");
        }
        assert_eq!(key(1, b"0123456789abcdeg").verify(&signed), None);
        assert_eq!(key(2, b"0123456789abcdef").verify(&signed), None);
        assert_eq!(ours.verify(&message()), None);
        for length in 0..signed.len() - 1 {
            assert_eq!(ours.verify(&signed[..length]), None, "cut to {length}");
        }
        assert!(!format!("{ours:?}").contains("48"), "no key is shown");
    }
}
