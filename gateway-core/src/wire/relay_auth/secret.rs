//! A shared secret, ready for use.

use hmac::{Hmac, KeyInit, Mac as _};
use sha1::Sha1;
use sha2::Sha256;

/// The octets of a shared secret. HMAC begins and ends each MAC with a block made of them (RFC 2104 section 2); these
/// are hashed once here instead of four times a message.
#[derive(Clone)]
pub struct Secret {
    octets: Vec<u8>,
    sha1: Hmac<Sha1>,
    sha256: Hmac<Sha256>,
}

impl Secret {
    /// The secret itself.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// By this two gateways can tell whether they have the same, and nobody can tell what it is.
    pub fn fingerprint(&self) -> u64 {
        let mac = self.sha256.clone().chain_update(b"fingerprint").finalize().into_bytes();
        mac.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
    }
}

impl From<Vec<u8>> for Secret {
    fn from(octets: Vec<u8>) -> Self {
        let (sha1, sha256) = (begun(&octets), begun(&octets));
        Self { octets, sha1, sha256 }
    }
}

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.octets == other.octets
    }
}

impl Eq for Secret {}

/// A MAC for which a [`Secret`] is ready.
pub(super) trait Ready {
    fn begin(secret: &Secret) -> Self;
}

impl Ready for Hmac<Sha1> {
    fn begin(secret: &Secret) -> Self {
        secret.sha1.clone()
    }
}

impl Ready for Hmac<Sha256> {
    fn begin(secret: &Secret) -> Self {
        secret.sha256.clone()
    }
}

fn begun<M: KeyInit>(octets: &[u8]) -> M {
    // HMAC takes keys of every length
    M::new_from_slice(octets).unwrap_or_else(|_| unreachable!("any key length"))
}
