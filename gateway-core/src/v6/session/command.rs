//! What the table wants done.

use crate::line::{FpcId, Line};
use crate::replication::Said;
use crate::scope::Epoch;
use crate::session::{self, CohortId, EndReason};
use crate::time::Instant;
use crate::wire::dhcp6::{DuidBuf, Prefix};

/// The access route of a lease; `slot` is a cell of `SUBSCRIBERS6`.
pub type Route = session::Route<Prefix>;

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
    /// Delete the access route of this prefix.
    RemoveRoute(Prefix),
    /// Store a new end of the lease.
    SetExpiry {
        /// Cell of `SUBSCRIBERS6`.
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
    /// Tell the other members of the cluster.
    Replicate(Said),
    /// A lease ended on its own.
    Ended {
        /// What was leased.
        prefix: Prefix,
        /// The client.
        client: DuidBuf,
        /// Where it was.
        line: Line,
        /// Its MAC.
        mac: [u8; 6],
        /// Why.
        reason: EndReason,
    },
}
