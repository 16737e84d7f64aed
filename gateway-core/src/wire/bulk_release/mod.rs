//! The bulk release elements inside option 82: capability, scope, transaction, result.
//!
//! EP 4436135 assigns no code points; these are the project's. One payload, two carriers: sub-TLVs 1 to 5 of a
//! vendor-specific sub-option (RFC 4243) under an enterprise number, or raw sub-options of option 82. Integers are
//! big-endian:
//!
//! ```text
//! CAP     version=1 | flags | max-scopes u16
//! SCOPE   kind | id-type | id-len | id | epoch u32 | kind 1: IPv4 address; kind 2: length, group; kind 3: nothing
//! XACT    operation | flags | txid u64 | count u32
//! RESULT  index | status | released u32 | skipped u32 | failed u32 | highest epoch u32
//! LINE    port u16 | outer tag u16 | inner tag u16 | epoch u32     (only the relay that wrote it reads it)
//! ```

mod codec;
mod option17;
mod points;

pub use codec::{ELEMENT_SCOPE_MAX, elements, rewrite_capability, scope_value};
pub use points::{CodePoints, Collision, Element, Encoding};

use crate::scope::Scope;

/// What relay and server say about themselves (BR-5, BR-6, BR-9).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capability {
    /// 1.
    pub version: u8,
    /// [`Capability::RELAY_CAPABLE`] and its siblings; unknown bits are ignored.
    pub flags: u8,
    /// Scopes the server takes in one release; 0 from a relay.
    pub max_scopes: u16,
}

impl Capability {
    /// Version written by this project.
    pub const VERSION: u8 = 1;
    /// The relay can do bulk release; a server echoes it like everything else (H-BR-2).
    pub const RELAY_CAPABLE: u8 = 0x01;
    /// The server can do bulk release. A relay never sets it.
    pub const SERVER_CAPABLE: u8 = 0x02;
    /// The server understood, and its policy says no.
    pub const SERVER_REFUSED: u8 = 0x04;
    /// The server answers a bulk release.
    pub const WILL_REPLY: u8 = 0x08;

    /// What a relay says.
    pub const RELAY: Self = Self { version: Self::VERSION, flags: Self::RELAY_CAPABLE, max_scopes: 0 };
}

/// What a transaction is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Free the logins of the scopes.
    Release = 1,
    /// What came of it.
    Result = 2,
    /// Count the logins of the scopes, change nothing.
    Probe = 3,
}

/// Which release this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transaction {
    /// What is asked or answered.
    pub operation: Operation,
    /// No more results follow for this `txid`.
    pub final_: bool,
    /// Random per release, the same in retransmissions and replies.
    pub txid: u64,
    /// Logins the relay believes in the scopes; in a reply the server's total.
    pub count: u32,
}

/// What became of one scope of a release, in the order of the scopes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ScopeResult {
    /// Position of the scope in the request.
    pub index: u8,
    /// Code space of option 151: 0 Success, 1 UnspecFail, 3 MalformedQuery, 4 NotAllowed.
    pub status: u8,
    /// Logins freed.
    pub released: u32,
    /// Logins left because they are newer than the cut-off.
    pub skipped: u32,
    /// Logins that could not be freed.
    pub failed: u32,
    /// Highest epoch the server has seen for the scope.
    pub highest_epoch: u32,
}

/// All bulk release elements of one option 82.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BulkRelease {
    /// Capability, in every message.
    pub capability: Option<Capability>,
    /// Transaction: in a release and its reply only.
    pub transaction: Option<Transaction>,
    /// One in a login; one or more in a release. The raw encoding carries one reliably.
    pub scopes: Vec<Scope>,
    /// One per scope, in a reply.
    pub results: Vec<ScopeResult>,
}

#[cfg(test)]
pub(super) mod tests;
