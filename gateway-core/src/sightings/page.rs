//! What members tell each other.

use core::net::Ipv4Addr;

use crate::wire::dhcp6::Prefix;

/// One message, on the stream between two members.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// Tell whom you have seen, up to a moment after this has come. The number is one more than that of the last question.
    Ask(u32),
    /// A part of the answer.
    Page(Page),
}

/// A part of an answer: whoever is in it was seen since the answer before.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Page {
    /// Of the question.
    pub number: u32,
    /// It is the first part, and the receiver has not got the answer before this one: of whom was seen before it asked this time,
    /// nothing is known.
    pub gap: bool,
    /// It is the first part.
    pub first: bool,
    /// It is the last part.
    pub last: bool,
    /// Sessions of DHCPv4, by address; ascending.
    pub four: Vec<Ipv4Addr>,
    /// Leases of DHCPv6; ascending.
    pub six: Vec<Prefix>,
}
