//! What replication wants done, and what it tells.

use core::fmt;
use core::net::IpAddr;

use gateway_common::unit::Unit;

use super::aside::Interface;
use super::change::Record;
use super::frame::{Malformed, ResyncReason};
use super::positions::Positions;
use crate::member::{Boot, MemberId, Secret, UnitVersion};
use crate::sightings::Message;

/// Octets of a member's stream. A key may be among them, so none of them are shown.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Octets(pub Vec<u8>);

impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Octets({} of them)", self.0.len())
    }
}

/// One thing for the shell to do, in this order. A [`Command::Send`] goes out only after the records that the commands
/// before it led to are stored: an acknowledgement is a promise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Give it to the node: `handle_replica`.
    Apply(Record),
    /// A snapshot begins: `begin_replace`.
    BeginReplace {
        /// What its sender has of each origin.
        theirs: Positions,
        /// What this member has.
        ours: Positions,
        /// The sender has discarded some of what this member said ([`Command::Fenced`]).
        yielding: bool,
    },
    /// A part of it: `handle_snapshot`.
    Merge(Vec<Record>),
    /// It is complete: `end_replace`.
    EndReplace,
    /// Nothing more will come of it: `abort_replace`.
    AbortReplace,
    /// Ask the node for state (`Node::snapshot`), and give that to `Replication::handle_snapshot`.
    SnapshotWanted {
        /// For whom.
        to: MemberId,
        /// Which snapshot.
        id: u64,
        /// Where to go on; 0 is the beginning.
        cursor: u64,
        /// Records at most.
        most: usize,
    },
    /// Write these octets, whole frames, to a member's stream.
    Send {
        /// To whom.
        to: MemberId,
        /// What.
        octets: Octets,
    },
    /// Close the stream to a member.
    Disconnect {
        /// Whose.
        member: MemberId,
        /// Why.
        why: Refusal,
    },
    /// A member's key for datagrams, for whoever authenticates these.
    Key {
        /// Whose.
        member: MemberId,
        /// Which life of it.
        boot: Boot,
        /// Its key in this life.
        key: Secret,
    },
    /// A member's own MACs on the segments that the members share.
    Interfaces {
        /// Whose.
        member: MemberId,
        /// All of them.
        interfaces: Vec<Interface>,
    },
    /// A server's message that another member got: `Node::handle_for_keeper`.
    ForKeeper {
        /// The server that sent it.
        server: IpAddr,
        /// The message.
        payload: Vec<u8>,
    },
    /// Whom a member has seen, or its question: `Node::handle_sightings`.
    Sightings {
        /// Who says it.
        from: MemberId,
        /// What.
        message: Message,
    },
    /// A member's state is complete: it counts for the gate from now on, until its stream is gone. Until then it takes
    /// changes in, but may still have to begin again.
    PeerSynced {
        /// Who.
        member: MemberId,
    },
    /// A member has our changes up to this number, and all before.
    Acked {
        /// Who.
        by: MemberId,
        /// Up to which.
        seq: u64,
    },
    /// We have an origin's changes up to this number.
    Applied {
        /// Whose.
        origin: MemberId,
        /// Up to which.
        seq: u64,
    },
    /// We have all that anybody whom we can reach has of a member that is gone: its units may be taken over.
    Settled {
        /// Who is gone.
        origin: MemberId,
    },
    /// A member has discarded what we said about units that are not ours any more (H-CL-19): whoever decides on that must
    /// learn it. Replies that wait for its acknowledgement do not get it; we take its state.
    Fenced {
        /// Who.
        by: MemberId,
    },
    /// A member knows of an assignment of this unit that is newer than the one by which we speak for it: if it is ours all the
    /// same, we need a newer one. `handle_outdated` of the cluster decides.
    Outdated {
        /// The unit.
        unit: Unit,
        /// The version that is known.
        version: UnitVersion,
    },
    /// Our state is complete (H-CL-25).
    Synced,
    /// For the log.
    Tell(Event),
}

/// Why a stream was closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// What came is no frame.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It says that it is another than its certificate says.
    #[error("claims to be member {0}")]
    NotItself(MemberId),
    /// It speaks before it has said HELLO.
    #[error("did not introduce itself")]
    NoHello,
}

/// What happened, for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A member can't be brought up to date by what is kept, and was told to take a snapshot.
    PeerFellBehind {
        /// Who.
        member: MemberId,
    },
    /// This member was told so, or found out.
    TakingSnapshot {
        /// From whom.
        from: MemberId,
        /// Told why; `None`: it joins, or something was missing in a stream.
        reason: Option<ResyncReason>,
    },
    /// The snapshot is in.
    SnapshotTaken {
        /// From whom.
        from: MemberId,
        /// Records it had.
        records: u64,
    },
    /// Its sender was lost before it was.
    SnapshotLost {
        /// From whom.
        from: MemberId,
    },
    /// A former owner speaks for a unit that it lost; counted, told once per connection.
    Fenced {
        /// Who.
        member: MemberId,
    },
    /// A change is too large to be told.
    TooLarge {
        /// Its octets.
        octets: usize,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PeerFellBehind { member } => {
                write!(f, "member {member} can't keep up with changes of state: it is told to take a snapshot")
            }
            Self::TakingSnapshot { from, reason: None } => write!(f, "taking a snapshot of member {from}'s state"),
            Self::TakingSnapshot { from, reason: Some(reason) } => {
                write!(f, "taking a snapshot of member {from}'s state: {reason}")
            }
            Self::SnapshotTaken { from, records } => write!(f, "took a snapshot of member {from}: {records} records"),
            Self::SnapshotLost { from } => write!(f, "the snapshot of member {from} was lost with its stream"),
            Self::Fenced { member } => write!(f, "member {member} speaks for units that it lost: discarded"),
            Self::TooLarge { octets } => write!(f, "a change of {octets} octets is too large to be told to others"),
        }
    }
}
