//! Why octets were not what they claim to be.

use thiserror::Error;

/// What was wrong with a message, an option or a frame. Each is a reason to drop it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Malformed {
    /// Fewer octets than the fixed part needs.
    #[error("cut short: {length} octets, at least {least} needed")]
    Short {
        /// Octets there are.
        length: usize,
        /// Octets the fixed part takes.
        least: usize,
    },
    /// The octets at offset 236 are not 99.130.83.99 (RFC 2131 section 3).
    #[error("no DHCP magic cookie")]
    Cookie,
    /// `op` is neither 1 (request) nor 2 (reply).
    #[error("op {0} is neither request nor reply")]
    Op(u8),
    /// `hlen` is over 16, the size of chaddr.
    #[error("hlen {0} is longer than chaddr")]
    HardwareLength(u8),
    /// An option or sub-option whose length octet is missing or reaches beyond its container.
    #[error("option {code} at offset {at} is cut")]
    CutOption {
        /// The option or sub-option.
        code: u8,
        /// Offset of its code octet in the container.
        at: usize,
    },
    /// An option or element whose value can't be what its code says.
    #[error("element {0} has a value of the wrong form")]
    Value(u8),
    /// More than two VLAN tags.
    #[error("more than two VLAN tags")]
    Tags,
    /// Not IP carrying UDP, or of another version of IP.
    #[error("not a UDP datagram in the IP that was expected")]
    NotUdp,
    /// A fragment of a datagram.
    #[error("a fragment")]
    Fragment,
}
