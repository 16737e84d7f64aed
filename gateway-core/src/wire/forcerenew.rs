//! FORCERENEW that is authenticated by a nonce (RFC 3203, RFC 6704), in option 90 (RFC 3118).
//!
//! ```text
//! protocol 3 | algorithm 1 | RDM 0 | replay u64 | type | 16 octets      type 1: the nonce, in an ACK
//!                                                                       type 2: HMAC-MD5, in a FORCERENEW
//! ```
//! The HMAC covers the whole message with hops, giaddr and itself as zeros (RFC 3118 section 5.4).

use core::fmt;
use core::net::Ipv4Addr;
use core::ops::Range;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha2::Sha256;

use super::dhcp4::{HEADER, Message, code, field};
use super::tlv::OptionWalk;

/// The only algorithm there is, in option 145.
pub const HMAC_MD5: u8 = 1;
const PROTOCOL: u8 = 3;
const NONCE: u8 = 1;
const DIGEST: u8 = 2;
/// Octets before the nonce or digest.
const FIXED: usize = 12;
const LENGTH: usize = FIXED + 16;

/// What a client and its server have in common.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nonce([u8; 16]);

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce(..)") // never shown
    }
}

impl Nonce {
    /// The nonce of an address's client: another one for each `number`, known only to who knows the secret.
    pub fn derive(secret: &[u8; 32], address: Ipv4Addr, number: u64) -> Self {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return Self([0; 16]) }; // any length is good
        mac.update(b"forcerenew nonce");
        mac.update(&address.octets());
        mac.update(&number.to_be_bytes());
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        Self(nonce)
    }

    /// The value of option 90 in an ACK. `replay` must rise from message to message.
    pub fn told(&self, replay: u64) -> Vec<u8> {
        value(replay, NONCE, &self.0)
    }

    /// Computes the digest of a FORCERENEW whose option 90 is a [`placeholder`]. Nothing happens where there is none.
    pub fn sign(&self, message: &mut [u8]) {
        if let Some(at) = digest_range(message) {
            let digest = self.digest(message, &at);
            message[at].copy_from_slice(&digest);
        }
    }

    /// The replay counter of a FORCERENEW, if it is authentic. What a client does.
    pub fn verify(&self, message: &[u8]) -> Option<u64> {
        let at = digest_range(message)?;
        let is_right = self.mac(message, &at).verify_slice(&message[at.clone()]).is_ok();
        let replay = message.get(at.start - 9..at.start - 1)?;
        Some(u64::from_be_bytes(replay.try_into().ok()?)).filter(|_| is_right)
    }

    /// The nonce that an ACK tells, and its replay counter. What a client does.
    pub fn read(ack: &Message<'_>) -> Option<(Self, u64)> {
        let value = ack.option(code::AUTHENTICATION)?;
        let value: &[u8; LENGTH] = value.as_ref().try_into().ok()?;
        let nonce = value[FIXED..].try_into().ok()?;
        let replay = u64::from_be_bytes(value[3..11].try_into().ok()?);
        (value[..3] == [PROTOCOL, HMAC_MD5, 0] && value[11] == NONCE).then_some((Self(nonce), replay))
    }

    fn mac(&self, message: &[u8], at: &Range<usize>) -> Hmac<Md5> {
        let mut zeroed = message.to_vec();
        zeroed[field::HOPS] = 0;
        zeroed[field::GIADDR..field::GIADDR + 4].fill(0);
        zeroed[at.clone()].fill(0);
        let mut mac = Hmac::<Md5>::new_from_slice(&self.0).expect("any length");
        mac.update(&zeroed);
        mac
    }

    fn digest(&self, message: &[u8], at: &Range<usize>) -> [u8; 16] {
        self.mac(message, at).finalize().into_bytes().into()
    }
}

/// The value of option 90 in a FORCERENEW that is to be signed.
pub fn placeholder(replay: u64) -> Vec<u8> {
    value(replay, DIGEST, &[0; 16])
}

fn value(replay: u64, kind: u8, octets: &[u8; 16]) -> Vec<u8> {
    [&[PROTOCOL, HMAC_MD5, 0][..], &replay.to_be_bytes(), &[kind], octets].concat()
}

/// Where the digest of a message is.
fn digest_range(message: &[u8]) -> Option<Range<usize>> {
    let mut walk = OptionWalk::new(message.get(HEADER..)?);
    while let Some(triple) = walk.step().ok()? {
        if triple.code == code::AUTHENTICATION {
            let start = HEADER + triple.at + 2 + FIXED;
            let fits = triple.value.len() == LENGTH && triple.value[..3] == [PROTOCOL, HMAC_MD5, 0];
            return (fits && triple.value[11] == DIGEST).then_some(start..start + 16);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::HardwareAddress;
    use crate::wire::dhcp4::{Builder, REPLY, kind};

    fn forcerenew(replay: u64) -> Vec<u8> {
        let hardware = HardwareAddress::ethernet([2, 0, 0, 0, 0, 1]);
        let builder = Builder::new(REPLY).hardware(hardware).kind(kind::FORCERENEW);
        builder.option(code::AUTHENTICATION, &placeholder(replay)).finish()
    }

    /// RFC 2202 test case 2 says what HMAC-MD5 is; here the key and the octets of a message.
    #[test]
    fn the_digest_is_hmac_md5_of_the_message() {
        let mut mac = Hmac::<Md5>::new_from_slice(b"Jefe").unwrap();
        mac.update(b"what do ya want for nothing?");
        let expected = [0x75, 0x0c, 0x78, 0x3e, 0x6a, 0xb0, 0xb5, 0x03, 0xea, 0xa8, 0x6e, 0x31, 0x0a, 0x5d, 0xb7, 0x38];
        assert_eq!(<[u8; 16]>::from(mac.finalize().into_bytes()), expected);

        let nonce = Nonce(*b"0123456789abcdef");
        let mut message = forcerenew(7);
        let mut mac = Hmac::<Md5>::new_from_slice(b"0123456789abcdef").unwrap();
        mac.update(&message);
        nonce.sign(&mut message);
        assert_eq!(message[message.len() - 17..message.len() - 1], mac.finalize().into_bytes()[..]);
        assert_eq!(message[243..255], [90, 28, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0], "option 90 up to the replay counter");
        assert_eq!(nonce.verify(&message), Some(7));
    }

    /// Another nonce or any other octet of the message makes it wrong; hops and giaddr are the relays' to change.
    #[test]
    fn what_the_digest_covers() {
        let nonce = Nonce::derive(&[1; 32], Ipv4Addr::new(10, 0, 0, 1), 1);
        let mut message = forcerenew(u64::MAX);
        nonce.sign(&mut message);
        for at in 0..message.len() {
            let mut changed = message.clone();
            changed[at] ^= 1;
            let is_free = at == field::HOPS || (field::GIADDR..field::GIADDR + 4).contains(&at);
            let authentic = nonce.verify(&changed).is_some();
            // Beyond the end option, or as its end, nothing is: the last octet is covered too.
            assert_eq!(authentic, is_free, "octet {at}");
        }
        for other in [(2, 10, 1), (1, 11, 1), (1, 10, 2)] {
            let (secret, last, number) = other;
            let other = Nonce::derive(&[secret; 32], Ipv4Addr::new(10, 0, 0, last - 9), number);
            assert_eq!(other.verify(&message), None);
        }
        assert_eq!(nonce.verify(&forcerenew(1)), None, "unsigned");
        for length in 0..message.len() {
            assert_eq!(nonce.verify(&message[..length]), None, "cut to {length}");
        }
    }

    /// What an ACK tells is what a client reads, and nothing else is.
    #[test]
    fn the_nonce_in_an_ack() {
        let nonce = Nonce::derive(&[1; 32], Ipv4Addr::new(10, 0, 0, 1), 5);
        let ack = |value: &[u8]| Builder::new(REPLY).kind(kind::ACK).option(code::AUTHENTICATION, value).finish();
        let read = |value: &[u8]| Nonce::read(&Message::parse(&ack(value)).unwrap());
        assert_eq!(read(&nonce.told(9)), Some((nonce, 9)));
        assert_eq!(read(&placeholder(9)), None);
        assert_eq!(read(&nonce.told(9)[..27]), None);
        assert_eq!(format!("{nonce:?}"), "Nonce(..)");
    }
}
