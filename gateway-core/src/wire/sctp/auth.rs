//! Authentication of chunks (RFC 4895).

use hmac::{KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::Sha256;

use super::init::Supported;
use super::{Chunk, Malformed, PREFIX, Packet, chunk, encode_chunk};

/// Which HMAC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hmac {
    /// That every implementation has.
    Sha1,
    /// The better one.
    Sha256,
}

impl Hmac {
    /// The HMAC with this identifier.
    pub fn from_id(id: u16) -> Option<Self> {
        match id {
            1 => Some(Self::Sha1),
            3 => Some(Self::Sha256),
            _ => None,
        }
    }

    /// Its identifier.
    pub fn id(self) -> u16 {
        match self {
            Self::Sha1 => 1,
            Self::Sha256 => 3,
        }
    }

    /// Its octets.
    pub fn octets(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    fn of(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Sha1 => {
                let mut mac = hmac::Hmac::<Sha1>::new_from_slice(key).expect("a key of any length will do");
                parts.iter().for_each(|part| mac.update(part));
                mac.finalize().into_bytes().to_vec()
            }
            Self::Sha256 => {
                let mut mac = hmac::Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
                parts.iter().for_each(|part| mac.update(part));
                mac.finalize().into_bytes().to_vec()
            }
        }
    }
}

/// An AUTH chunk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Auth {
    /// Number of the shared key.
    pub key: u16,
    /// Which HMAC.
    pub hmac: Hmac,
    /// Over this chunk with zeros in its place, and all that follows.
    pub code: Vec<u8>,
}

impl Auth {
    /// Reads the value of a chunk.
    ///
    /// # Errors
    /// When it is cut, of an unknown HMAC, or the code is not as long as that HMAC's.
    pub fn read(value: &[u8]) -> Result<Self, Malformed> {
        let (&[a, b, c, d], code) = value.split_first_chunk().ok_or(Malformed::Short)?;
        let id = u16::from_be_bytes([c, d]);
        let hmac = Hmac::from_id(id).ok_or(Malformed::Type(id))?;
        if code.len() != hmac.octets() {
            return Err(Malformed::Length(PREFIX));
        }
        Ok(Self { key: u16::from_be_bytes([a, b]), hmac, code: code.to_vec() })
    }

    /// The chunk.
    ///
    /// # Errors
    /// The code is longer than a chunk.
    pub fn encode(&self) -> Result<Vec<u8>, Malformed> {
        let mut value = self.key.to_be_bytes().to_vec();
        value.extend(self.hmac.id().to_be_bytes());
        value.extend(&self.code);
        encode_chunk(chunk::AUTH, 0, &value)
    }

    /// An AUTH chunk over the chunks that are to follow it, by an association's key.
    pub fn sign(key: u16, hmac: Hmac, association_key: &[u8], chunks: &[Vec<u8>]) -> Self {
        let code = Self::over(key, hmac, association_key, &chunks.concat());
        Self { key, hmac, code }
    }

    fn over(key: u16, hmac: Hmac, association_key: &[u8], rest: &[u8]) -> Vec<u8> {
        let blank = Self { key, hmac, code: vec![0; hmac.octets()] };
        let blank = blank.encode().expect("its code is short");
        hmac.of(association_key, &[&blank, rest])
    }

    /// Whether the AUTH chunk of a packet is right by this key of the association (H-SC-1).
    pub fn verify(&self, packet: &Packet<'_>, at: &Chunk<'_>, association_key: &[u8]) -> bool {
        let len = at.value.len() + PREFIX;
        let rest = packet.from(at).get(len.next_multiple_of(4)..).unwrap_or_default();
        // Nobody's secret hangs on how long this takes: it is for captures.
        Self::over(self.key, self.hmac, association_key, rest) == self.code
    }
}

/// What one side says of its authentication, as the key is made of it: RANDOM, CHUNKS and HMAC-ALGO without their padding.
/// CHUNKS need not be there (RFC 4895, section 3.2), and then is not part of it.
///
/// # Errors
/// A parameter is longer than its length can say.
pub fn key_vector(supported: &Supported) -> Result<Vec<u8>, Malformed> {
    Ok(supported.authentication()?.concat())
}

/// The association's key: the shared key, then both vectors, the numerically smaller first (section 6.1).
pub fn association_key(shared: &[u8], ours: &[u8], theirs: &[u8]) -> Vec<u8> {
    let number = |vector: &'_ [u8]| -> (usize, Vec<u8>) {
        let digits: Vec<u8> = vector.iter().copied().skip_while(|octet| *octet == 0).collect();
        (digits.len(), digits)
    };
    // Equal numbers: the shorter one first.
    let key = |vector: &[u8]| (number(vector), vector.len());
    let (smaller, larger) = if key(ours) <= key(theirs) { (ours, theirs) } else { (theirs, ours) };
    [shared, smaller, larger].concat()
}
