//! A session and its leases.

use core::net::Ipv6Addr;

use super::command::Route;
use crate::line::{FpcId, Line, PortId};
use crate::replication::Stamp;
use crate::scope::Epoch;
use crate::session::CohortId;
use crate::session::cohort::{Grouped, Link, Named};
use crate::session::wheel::{Timed, Timer};
use crate::time::Instant;
use crate::wire::dhcp6::{DuidBuf, IaKind, Prefix};

/// A client on a line, as long as it has a lease there.
#[derive(Clone, Debug)]
pub struct Session {
    /// Option 1.
    pub client: DuidBuf,
    /// Where it is.
    pub line: Line,
    /// The MAC its frames come with.
    pub mac: [u8; 6],
    /// That is a relay's, so that others may have it, too: nothing is known of this client by it.
    pub relayed: bool,
    /// Where its messages come from: its link-local address, or the address of a relay below.
    pub peer: Ipv6Addr,
    /// Its leases by slot, those included that have ended and wait to be reclaimed.
    pub(super) slots: Vec<u32>,
}

/// What one server leased to one client until some time.
#[derive(Clone, Debug)]
pub struct Lease {
    /// What is leased; an address has 128 bits.
    pub prefix: Prefix,
    /// In which sort of IA.
    pub kind: IaKind,
    /// What the client calls that IA; `None` until somebody tells.
    pub iaid: Option<u32>,
    /// FPC and server.
    pub cohort: CohortId,
    /// Epoch of the FPC when it was granted or last extended.
    pub epoch: Epoch,
    /// When that was.
    pub at: Instant,
    /// Its end; [`Instant::NEVER`] for an infinite one.
    pub expires: Instant,
    /// Released, but its server never confirmed.
    pub orphaned: bool,
    /// The last change of it that a member of the cluster told; [`Stamp::NONE`] where there is none.
    pub(super) stamp: Stamp,
    /// Number of its session.
    pub(super) session: u32,
    /// That session's port.
    pub(super) port: PortId,
    pub(super) link: Link,
    pub(super) timer: Timer,
}

impl Session {
    /// The MAC that is the client's own.
    pub fn own_mac(&self) -> Option<[u8; 6]> {
        (!self.relayed).then_some(self.mac)
    }

    /// Whether this is the subscriber of that MAC on that line, under whatever DUID.
    pub(super) fn is_of(&self, line: Line, mac: [u8; 6]) -> bool {
        (self.line, self.mac, self.relayed) == (line, mac, false)
    }
}

impl Lease {
    /// Whether it is known to be in one of these IAs.
    pub(super) fn is_in(&self, ias: &[(IaKind, u32)]) -> bool {
        self.iaid.is_some_and(|iaid| ias.contains(&(self.kind, iaid)))
    }

    /// Its access route. `fresh`: the counters in the cell start at zero.
    pub(super) fn route(&self, slot: u32, session: &Session, fresh: bool) -> Route {
        Route {
            address: self.prefix,
            slot,
            epoch: self.epoch,
            port: session.line.port,
            cohort: self.cohort,
            mac: session.mac,
            tags: session.line.tags,
            expires: self.expires,
            fresh,
        }
    }
}

impl Timed for Lease {
    fn timer(&mut self) -> &mut Timer {
        &mut self.timer
    }
    fn expires(&self) -> Instant {
        self.expires
    }
}

impl Grouped for Lease {
    fn link(&self) -> &Link {
        &self.link
    }
    fn link_mut(&mut self) -> &mut Link {
        &mut self.link
    }
    fn cohort(&self) -> CohortId {
        self.cohort
    }
    fn epoch(&self) -> Epoch {
        self.epoch
    }
    fn port(&self) -> PortId {
        self.port
    }
    fn orphaned(&self) -> bool {
        self.orphaned
    }
    fn set_orphaned(&mut self, orphaned: bool) {
        self.orphaned = orphaned;
    }
}

/// The leases of one FPC at one server, with or without our scope.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cohort {
    /// The line card.
    pub fpc: FpcId,
    /// The server, by the source of its replies.
    pub server: Ipv6Addr,
    /// Option 2: what a release has to name (RR-14, RR-23).
    pub server_id: DuidBuf,
    /// The server has stored our scope with them: one message can release them all.
    pub tagged: bool,
    /// Leases of epochs up to this one have ended.
    pub ended: Option<Epoch>,
}

impl Named for Cohort {
    fn fpc(&self) -> FpcId {
        self.fpc
    }
    fn ended(&mut self) -> &mut Option<Epoch> {
        &mut self.ended
    }
}
