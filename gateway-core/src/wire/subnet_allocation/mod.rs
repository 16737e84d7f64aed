//! Option 220, subnet allocation (RFC 6656): how servers ask each other for subnets, and hand them over.
//!
//! ```text
//! 220 | length | flags, none defined | sub-options …
//!   1 | 2            | flags: 1 i, 0 h        | prefix
//!   2 | 1 + blocks   | flags: 1 c, 0 s        | block …
//!       block: network(4) | prefix | flags: 1 h, 0 d | length of statistics | high water u16 | in use u16 | unusable u16
//!   3 | 1..          | name, UTF-8 without NUL
//!   4 | 4            | suggested lease time u32, seconds
//! ```
//!
//! A message is built with one option 220 (RFC 3396 would join several, and the flags of the second would become part of a
//! sub-option); in what is received each may stand for itself, or be the continuation of the one before (H-SN-14).
//! Sub-options that are not known are passed over.

mod build;
mod origins;
mod parse;
mod statistics;

pub use build::AllocationBuilder;
pub use origins::{ORIGINS, OriginId, Origins, askers_value, origins_value};
pub(crate) use origins::{read as read_origins, read_asker};
pub use parse::SubnetAllocation;
pub use statistics::Statistics;

use crate::subnet::Subnet;

/// The option's code.
pub const OPTION: u8 = super::dhcp4::code::SUBNET_ALLOCATION;
/// The longest prefix that can be asked for or given.
pub const PREFIX_MAX: u8 = 30;
/// As many blocks with statistics fit one option beside everything else that a message of ours says in it.
pub const BLOCKS_MAX: usize = 12;

/// Sub-option codes (RFC 6656 section 3).
pub mod sub {
    #![expect(missing_docs, reason = "the names of the RFC")]
    pub const REQUEST: u8 = 1;
    pub const INFORMATION: u8 = 2;
    pub const NAME: u8 = 3;
    pub const SUGGESTED_LEASE: u8 = 4;
}

/// Subnet-Request (RFC 6656 section 3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// `h`: the requester gives the addresses to hosts itself; else it relays hosts' messages to the provider (SN-64).
    pub delegate: bool,
    /// `i`: about what was allocated earlier; the prefix is ignored.
    pub earlier: bool,
    /// How large: 1 to 30, or 0 for any.
    pub prefix: u8,
}

/// What a Subnet-Information says of all its blocks (RFC 6656 section 3.2).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct InformationFlags {
    /// `s`: the provider has more for the requester.
    pub more: bool,
    /// `c`: about what was allocated earlier.
    pub earlier: bool,
}

/// One subnet of a Subnet-Information (RFC 6656 section 3.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block {
    /// The subnet, of prefix 1 to 30.
    pub subnet: Subnet,
    /// `d`: assign nothing from it any more, and release it when nothing in it is in use (SN-47).
    pub deprecate: bool,
    /// `h`: see [`Request::delegate`].
    pub delegate: bool,
    /// How it is used.
    pub statistics: Statistics,
}

impl Block {
    /// A block that says nothing but which subnet it is, for a requester that assigns itself.
    pub fn plain(subnet: Subnet) -> Self {
        Self { subnet, deprecate: false, delegate: true, statistics: Statistics::NONE }
    }
}

/// A Subnet-Information.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Information {
    /// What holds for all blocks.
    pub flags: InformationFlags,
    /// One at least.
    pub blocks: Vec<Block>,
}

/// A sub-option.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SubOption<'a> {
    /// Subnet-Request.
    Request(Request),
    /// Subnet-Information.
    Information(Information),
    /// Subnet-Name (section 3.3).
    Name(&'a str),
    /// Suggested-Lease-Time, in seconds (section 3.4).
    SuggestedLease(u32),
}

mod flag {
    pub(super) const DELEGATE: u8 = 1;
    pub(super) const EARLIER_REQUEST: u8 = 2;
    pub(super) const MORE: u8 = 1;
    pub(super) const EARLIER_INFORMATION: u8 = 2;
    pub(super) const DEPRECATE: u8 = 1;
    pub(super) const DELEGATED: u8 = 2;
}

#[cfg(test)]
mod tests;
