//! What the cluster wants done.

use gateway_common::unit::Unit;

use super::event::Event;
use super::rule::UnitRule;
use crate::member::{MemberId, Term, UnitVersion};
use crate::wire::cluster::{Assignment, Body};

/// Whom a message is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Destination {
    /// All members.
    Group,
    /// One, which is never the sender.
    Member(MemberId),
}

/// A frame that waits for its unit's owner (CL-64).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeldFrame {
    /// Place of the subscriber's port in the configuration; `None`: it came from an upstream port.
    pub port: Option<u16>,
    /// From its Ethernet header on.
    pub frame: Vec<u8>,
}

/// One thing to do, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Send a datagram.
    Send {
        /// To whom.
        to: Destination,
        /// The term of its header.
        term: Term,
        /// What it says.
        body: Body,
    },
    /// The data plane treats these units like this from now on.
    SetUnits(Vec<UnitRule>),
    /// Stop this unit's logins, then [`Cluster::handle_flushed`](super::Cluster::handle_flushed). A later
    /// [`Command::SetUnits`] that lets its DHCP in again takes this back.
    Flush {
        /// The unit.
        unit: Unit,
        /// The version of the assignment that ends.
        version: UnitVersion,
    },
    /// A frame whose unit is ours: treat it as if it had just arrived.
    Inject {
        /// Its unit.
        unit: Unit,
        /// The frame.
        frame: HeldFrame,
    },
    /// Whether this member answers ARP and neighbour solicitations for the cluster's addresses.
    AnswerForCluster(bool),
    /// Send gratuitous ARP and unsolicited neighbour advertisements for the cluster's addresses, once (H-CL-12).
    Announce,
    /// Who does what has no client: the owner of unit 0.
    Keeper(Option<MemberId>),
    /// Whether this member rules without a majority ([`Quorum::Degraded`](super::Quorum::Degraded)).
    Degraded(bool),
    /// Applications are asked whether this unit may join (CL-39); [`Cluster::handle_approval`](super::Cluster::handle_approval)
    /// answers.
    AskToJoin(MemberId),
    /// Process nothing from here on: others may own what was ours (H-CL-6, H-CL-20, H-CL-27). The unit rules follow.
    Fence,
    /// Processing may go on; what is ours follows.
    Unfence,
    /// Close the stream to a member: the cluster has given it up, and nobody waits until TCP does, too. It is made again as
    /// any that was lost; [`Cluster::handle_peer`](super::Cluster::handle_peer) need not be told that this one is.
    Disconnect(MemberId),
    /// The operator's exit is complete.
    Left,
    /// The coordinator shall keep these assignments before their owners hear of them:
    /// [`Cluster::handle_recorded`](super::Cluster::handle_recorded) says that it does. It keeps nothing for a master that it
    /// elects no more.
    Record {
        /// The term of the mastership that assigns.
        term: Term,
        /// What is assigned to whom, by which version.
        units: Vec<Assignment>,
    },
    /// For the log.
    Tell(Event),
}
