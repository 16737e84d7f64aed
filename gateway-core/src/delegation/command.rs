//! What the delegation wants done.

use core::net::Ipv4Addr;

use super::event::Event;
use super::words::ServerId;
use crate::subnet::Subnet;
use crate::time::{Duration, Instant};

/// One thing to do, in this order. What is persisted must be on disk before anything that follows is done (H-SN-3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Put a record into the store.
    Persist {
        /// Its key, which begins with [`RECORD_PREFIX`](super::RECORD_PREFIX).
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// Delete a record.
    Forget {
        /// Its key.
        key: Vec<u8>,
    },
    /// The address server may assign addresses from a subnet; said again, it replaces what was said before, also
    /// [`Command::StopAssigning`].
    Assign(Assignment),
    /// Assign nothing new from it, and let hosts' leases run out. When the last has ended, and at once if there is none:
    /// [`Delegation::handle_drained`](super::Delegation::handle_drained).
    StopAssigning {
        /// The subnet.
        subnet: Subnet,
    },
    /// It is not ours any more: hosts' renewals are refused, and hosts that can be told are told (SN-44, SN-45). When no
    /// lease is left: [`Delegation::handle_drained`](super::Delegation::handle_drained).
    Gone {
        /// The subnet.
        subnet: Subnet,
    },
    /// Send a DHCP message, from the configured address, to port 67.
    Send {
        /// To whom; 255.255.255.255 is a broadcast.
        to: Ipv4Addr,
        /// The other server, where it is known.
        peer: Option<ServerId>,
        /// The message.
        message: Vec<u8>,
        /// What to add to it.
        proof: Proof,
    },
    /// For the log.
    Tell(Event),
}

/// How a message proves where it is from. The core has no keys: whoever sends appends what is needed (RFC 6704, or
/// RFC 3118 with a shared key), and says of each message received whether it was proven.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Proof {
    /// As it is.
    None,
    /// Say that a nonce is welcome: option 145 (RFC 6704 section 3.1.1).
    Welcome,
    /// Give the peer a nonce, if it said that one is welcome (RFC 6704 section 3.1.2).
    Nonce,
    /// Sign it with the peer's nonce or key; without one it is in vain, and need not be sent.
    Signed,
}

/// A subnet to assign addresses from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assignment {
    /// The subnet; [`Subnet::hosts`] says which addresses hosts may have (H-SN-28).
    pub subnet: Subnet,
    /// Every host's lease ends by then, its T1 and T2 in proportion (SN-58, H-SN-4, H-SN-5). It lies the margin before the
    /// end of the subnet's own lease.
    pub until: Instant,
    /// For hosts behind this device only (SN-63, H-SN-22).
    pub reserved: Option<Reserved>,
    /// Hosts may have addresses of it that nobody here knows of: probe before offering.
    pub recovered: bool,
    /// The provider suggests that no host's lease is longer (RFC 6656 section 3.4).
    pub longest: Option<Duration>,
}

/// A device that does not assign addresses itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reserved {
    /// The device.
    pub device: ServerId,
    /// Hosts whose messages have this giaddr are behind it.
    pub relay: Ipv4Addr,
}
