//! Why a datagram has no effect.

use thiserror::Error;

use crate::member::MemberId;

/// What is wrong with a datagram. Each is a reason to drop and count it, and nothing more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Refused {
    /// It ends before its fields do, or is not as long as it says.
    #[error("cut short, or of another length than it says")]
    Length,
    /// It goes on after its last field.
    #[error("{0} octets after its last field")]
    Trailing(usize),
    /// It does not begin with "GWC1".
    #[error("no control message of a cluster")]
    Magic,
    /// A version of this protocol that is not spoken here.
    #[error("version {0} of the protocol, not 1")]
    Version(u8),
    /// Octets that must be zero are not.
    #[error("reserved octets that are not zero")]
    Reserved,
    /// It is of another cluster on the same link.
    #[error("of another cluster ({0:08x})")]
    OtherCluster(u32),
    /// A type that is no datagram's.
    #[error("unknown type {0}")]
    Type(u8),
    /// An authenticator that is not HMAC-SHA-256.
    #[error("unknown algorithm {0}")]
    Algorithm(u16),
    /// Its sender has told us no key: it is no member, or has no TLS connection with us.
    #[error("from member {0}, which has told us no key")]
    UnknownSender(MemberId),
    /// It is no newer than what was accepted from its sender.
    #[error("replayed: number {seq} of member {sender}, after number {last}")]
    Replayed {
        /// Who is said to have sent it.
        sender: MemberId,
        /// Its number.
        seq: u64,
        /// The last one accepted.
        last: u64,
    },
    /// It is signed with a key of an earlier life of the sender.
    #[error("signed with key {found} of member {sender}, whose key is {wanted}")]
    OtherKey {
        /// Who is said to have sent it.
        sender: MemberId,
        /// The key it names.
        found: u16,
        /// The key the sender told us.
        wanted: u16,
    },
    /// The MAC is wrong: it was changed on the way, or forged.
    #[error("forged: not signed by member {0}")]
    Forged(MemberId),
    /// A field has a value that it can't have. Its sender knows the key, so this is a mistake in its program.
    #[error("impossible value of its {0}")]
    Value(&'static str),
}

impl Refused {
    /// The reason in one word, for a counter.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Trailing(_) => "trailing",
            Self::Magic => "magic",
            Self::Version(_) => "version",
            Self::Reserved => "reserved",
            Self::OtherCluster(_) => "other-cluster",
            Self::Type(_) => "type",
            Self::Algorithm(_) => "algorithm",
            Self::UnknownSender(_) => "unknown-sender",
            Self::Replayed { .. } => "replayed",
            Self::OtherKey { .. } => "other-key",
            Self::Forged(_) => "forged",
            Self::Value(_) => "value",
        }
    }
}

/// A message that no receiver would accept: too many entries, or a value out of its range.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("a message of type {0} that no member would accept")]
pub struct Unencodable(pub u8);
