//! What the session table wants done.

use core::net::Ipv4Addr;

use gateway_common::vlan::VlanTags;

use super::words::{CohortId, EndReason};
use crate::line::{FpcId, HardwareAddress, PortId};
use crate::replication::Said;
use crate::scope::Epoch;
use crate::time::Instant;

/// One thing to do, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Put a record into the store.
    Persist {
        /// Its key.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
        /// It must survive a loss of power, not only the controller's death.
        sync: bool,
    },
    /// Delete a record.
    Forget {
        /// Its key.
        key: Vec<u8>,
    },
    /// Put or overwrite an access route.
    InstallRoute(Route),
    /// Delete the access route of this address.
    RemoveRoute(Ipv4Addr),
    /// Store a new end of the lease.
    SetExpiry {
        /// Cell of `SUBSCRIBERS`.
        slot: u32,
        /// End of the lease.
        expires: Instant,
    },
    /// Routes of this cohort with a lesser epoch are dead.
    SetLeastEpoch {
        /// Cell of `COHORTS`.
        cohort: CohortId,
        /// The least epoch that is still valid.
        epoch: Epoch,
        /// The FPC, for whoever reads the map by hand.
        fpc: FpcId,
    },
    /// A session ended on its own.
    Ended {
        /// Its address.
        address: Ipv4Addr,
        /// Its hardware address.
        hardware: HardwareAddress,
        /// Why.
        reason: EndReason,
    },
    /// Tell the other members of the cluster.
    Replicate(Said),
}

/// An access route as the data plane is to have it: to an address, or to whatever else `A` is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route<A = Ipv4Addr> {
    /// What the subscriber has, key of `ROUTES`.
    pub address: A,
    /// Cell of `SUBSCRIBERS`.
    pub slot: u32,
    /// Epoch of the FPC when the login was made.
    pub epoch: Epoch,
    /// Where the subscriber is; the shell knows the interface index of today.
    pub port: PortId,
    /// Cell of `COHORTS`.
    pub cohort: CohortId,
    /// The CPE's MAC.
    pub mac: [u8; 6],
    /// The CPE's tags.
    pub tags: VlanTags,
    /// End of the lease.
    pub expires: Instant,
    /// A new login: the counters in the cell start at zero. False when a route moved or was repaired.
    pub fresh: bool,
}
