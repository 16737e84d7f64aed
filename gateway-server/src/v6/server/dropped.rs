//! Messages that come to nothing.

use gateway_core::wire::dhcp6::{Malformed, TooLong};

/// Why a message is not answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Dropped {
    /// Octets that are no message.
    Malformed,
    /// Not for a server, or without what its type must have (RFC 8415 section 16).
    Unexpected,
    /// A client's, without a relay.
    Unicast,
    /// No subnet serves the link.
    NoSubnet,
    /// For another server.
    OtherServer,
    /// Nothing of it is known, and another server may know it.
    NotHeld,
}

impl From<Malformed> for Dropped {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl From<TooLong> for Dropped {
    fn from(_: TooLong) -> Self {
        Self::Malformed // more in the question than an answer can hold
    }
}
