//! What is worth a line in the log.

use core::net::Ipv4Addr;

use super::words::ServerId;
use crate::subnet::Subnet;
use crate::wire::Malformed;

/// Something happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A lessee has a subnet.
    Leased {
        /// The lessee.
        to: ServerId,
        /// The subnet.
        subnet: Subnet,
    },
    /// A lessee was asked to give a subnet back (SN-47).
    AskedBack {
        /// The lessee.
        from: ServerId,
        /// The subnet.
        subnet: Subnet,
    },
    /// A lessee may use a subnet no more (SN-43).
    Refused {
        /// The lessee.
        to: ServerId,
        /// The subnet.
        subnet: Subnet,
    },
    /// A lessee gave a subnet back (SN-49).
    Returned {
        /// The lessee.
        from: ServerId,
        /// The subnet.
        subnet: Subnet,
    },
    /// A lessee let its lease of a subnet pass.
    Expired {
        /// The lessee.
        from: ServerId,
        /// The subnet.
        subnet: Subnet,
    },
    /// We have a subnet.
    Obtained {
        /// The provider.
        from: Ipv4Addr,
        /// The subnet.
        subnet: Subnet,
    },
    /// The provider said after our start that a subnet is still ours, or what our lost table did not know (H-SN-3).
    Confirmed {
        /// The provider.
        by: Ipv4Addr,
        /// The subnet.
        subnet: Subnet,
    },
    /// A subnet was entered at a server that has no record of former times: it rests so long, because others may have parts of it
    /// (H-SN-3).
    Uncertain {
        /// The subnet.
        subnet: Subnet,
        /// How long.
        time: core::time::Duration,
    },
    /// It has rested long enough.
    Certain {
        /// The subnet.
        subnet: Subnet,
    },
    /// A provider wants a subnet back.
    Deprecated {
        /// The subnet.
        subnet: Subnet,
    },
    /// A subnet is ours no more.
    Lost {
        /// The subnet.
        subnet: Subnet,
        /// Why.
        why: Why,
    },
    /// There was nothing to give (SN-60).
    Short {
        /// Who asked; `None`: our own address server.
        who: Option<ServerId>,
        /// How large.
        prefix: u8,
    },
    /// Nobody gave us anything.
    Unanswered,
    /// What was offered to us overlaps what we administer: it has come round in a circle, or was entered twice (H-SN-7).
    Overlap {
        /// Who offered it.
        from: Ipv4Addr,
        /// The subnet.
        subnet: Subnet,
    },
    /// Somebody who may not have subnets asks for one (H-SN-20).
    Stranger {
        /// Its option 61.
        who: ServerId,
    },
    /// A message that names a server but came through a relay agent, or from another address than it says, and is not signed
    /// (H-SN-20, H-SN-21).
    Relayed {
        /// Where it came from.
        from: Ipv4Addr,
        /// Its option 61.
        who: ServerId,
    },
    /// A lessee has as much as it may (H-SN-20).
    Quota {
        /// The lessee.
        who: ServerId,
    },
    /// Somebody speaks of a subnet that is another's (H-SN-20).
    NotTheirs {
        /// Who.
        who: ServerId,
        /// The subnet.
        subnet: Subnet,
    },
    /// A message that had to be proven was not.
    Unproven {
        /// Where it came from.
        from: Ipv4Addr,
    },
    /// An option 220 that can't be read.
    Malformed {
        /// Where it came from.
        from: Ipv4Addr,
        /// What is wrong with it.
        why: Malformed,
    },
    /// A record that can't be read: what it was about is lost.
    Unreadable,
}

/// Why a subnet is ours no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// The provider refused to renew it.
    Refused,
    /// Its lease ended.
    Expired,
    /// We gave it back.
    Released,
    /// The provider does not know that it is ours.
    Unknown,
    /// The operator took it away.
    Removed,
}
