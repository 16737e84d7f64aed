//! What members say to each other in datagrams.

use core::net::Ipv4Addr;

use gateway_common::unit::Unit;

use crate::member::{MemberId, Term, UnitVersion};

/// Members that a MASTER-KEEPALIVE can name, and so members of a cluster.
pub const MEMBERS_MAX: usize = 32;

/// Assignments that one message carries.
pub const ASSIGNMENTS_MAX: usize = 150;

/// Units in a [`TableChunk`]: the table is eight of them.
pub const TABLE_CHUNK: usize = 128;

/// What is common to all control messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// CRC-32C of the cluster's name: members of another cluster on the same link are not listened to.
    pub cluster: u32,
    /// Who says it.
    pub sender: MemberId,
    /// The mastership it was said under.
    pub term: Term,
    /// Counts the sender's messages, strictly increasing for the life of its key.
    pub seq: u64,
}

/// What is said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// A unit wants to join (CL-9). It proves who it is on its TLS connection (H-CL-9), not here.
    JoinRequest(JoinRequest),
    /// It may (CL-11).
    JoinOk {
        /// Members now.
        members: u8,
        /// Master watchdog, milliseconds.
        watchdog_ms: u16,
    },
    /// It may not, or not yet (CL-10, CL-38, CL-40).
    JoinRefused {
        /// Why.
        reason: JoinRefusal,
        /// When to ask again, milliseconds.
        retry_ms: u16,
    },
    /// The sender would be master (CL-17).
    MasterOffer(MasterOffer),
    /// There is a master already, or a better offer (CL-18, CL-27, H-CL-8).
    OtherMasterExists {
        /// Its number.
        master: MemberId,
        /// Its unit IP.
        ip: Ipv4Addr,
        /// Members it has.
        members: u8,
    },
    /// The master lives (CL-28).
    MasterKeepalive(MasterKeepalive),
    /// A member lives (CL-46).
    MemberKeepalive(MemberKeepalive),
    /// The sender leaves, or (from the master) the receiver shall (CL-16, CL-29).
    Exit {
        /// 0: as an operator wished; 1: not a member; 2: configuration out of date; 3: paused for too long;
        /// 4: it does not offer itself by this term any more.
        reason: u8,
    },
    /// Units have new owners (CL-61).
    UnitAssign {
        /// The units: [`ASSIGNMENTS_MAX`] at most, as in the three that follow.
        units: Vec<Assignment>,
        /// Their new owner starts when it has applied this much (H-CL-19). `None`: nobody handed them over.
        after: Option<StateMark>,
    },
    /// The new owner has them. From a unit that asks to join: what it owned when it lost its master.
    UnitAssignAck(Vec<Assignment>),
    /// The receiver shall give units up, to `owner` of each (CL-34).
    UnitDeassign(Vec<Assignment>),
    /// It has stopped their logins; `last_seq` is its last change of state (H-CL-19).
    UnitDeassignAck {
        /// The units.
        units: Vec<Assignment>,
        /// Number of its last change.
        last_seq: u64,
    },
    /// The sender holds the data of these units, which are to be its own, until the receiver has stopped serving it (H-CL-19). Only
    /// where frames reach all members.
    UnitStop(Vec<Assignment>),
    /// It has.
    UnitStopped(Vec<Assignment>),
    /// A frame that the sender left alone since: the receiver serves it, if it held it too.
    FrameLeft {
        /// Its unit.
        unit: Unit,
        /// By which assignment the unit is the receiver's.
        version: UnitVersion,
        /// A digest of the frame and of where it came in.
        name: u64,
    },
    /// A packet for its owner (CL-63, CL-64): a frame from its Ethernet header on.
    ForwardedPacket {
        /// Its unit.
        unit: Unit,
        /// It came from a subscriber's port; that port's place in the configuration. `None`: from an upstream port.
        port: Option<u16>,
        /// The frame.
        frame: Vec<u8>,
    },
}

/// Body of a JOIN-REQ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JoinRequest {
    /// The joiner's own address.
    pub ip: Ipv4Addr,
    /// Version of its configuration.
    pub config_version: u32,
    /// Digest of what must be the same on all members.
    pub config_digest: u64,
    /// Whom it would follow: support for the offer made under the header's term, or a request to that master. `None`:
    /// whoever is master.
    pub supports: Option<MemberId>,
    /// Units it still owns; it says which in UNIT-ASSIGN-ACK. 0 of a unit that has just started.
    pub holds: u16,
    /// The greatest version of an assignment that it knows of.
    pub highest: UnitVersion,
    /// The last mastership that it followed or supported before, if it is not one of `supports`. The greatest term there
    /// is: it has just started, and does not know.
    pub ruled: Term,
}

/// Body of a MASTER-OFFER.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MasterOffer {
    /// The sender's own address.
    pub ip: Ipv4Addr,
    /// Version of its configuration.
    pub config_version: u32,
    /// Members it is in touch with, itself included.
    pub members: u8,
}

/// Why a unit may not join.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum JoinRefusal {
    /// Not decided yet: wait (CL-38).
    InProgress = 1,
    /// Its certificate is not on the list (CL-10).
    UnknownCertificate = 2,
    /// It has not proved that the certificate is its own.
    NotAuthenticated = 3,
    /// An application objects (CL-40).
    Objection = 4,
    /// Its configuration is not the cluster's (H-CL-11).
    Configuration = 5,
    /// There are as many members as there may be.
    Full = 6,
    /// The sender is not the master.
    NotMaster = 7,
}

/// Body of a MASTER-KEEPALIVE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MasterKeepalive {
    /// Counts the master's keepalives; members say which they have heard.
    pub keepalive_seq: u64,
    /// Adaptive interval: lost keepalives that a watchdog interval tolerates (CL-76, CL-77).
    pub n: u8,
    /// Master watchdog, milliseconds (CL-14).
    pub watchdog_ms: u16,
    /// The members, the master included: [`MEMBERS_MAX`] at most.
    pub members: Vec<MemberState>,
    /// Who gets no units, and gives away those that it has, until an operator ends it (CL-34): whoever is master next goes on
    /// with it. Whether it is a member just now or not; [`MEMBERS_MAX`] at most.
    pub drained: Vec<MemberId>,
    /// Version of the unit table.
    pub table_version: u32,
    /// Digest of the unit table.
    pub table_digest: u64,
    /// A part of the table, now and then: eight of them are the whole (H-CL-29).
    pub table: Option<TableChunk>,
}

/// A part of the unit table: what holds for neighbouring units. Datagrams stay below what a link carries whole, since the
/// loss of one fragment loses them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableChunk {
    /// The unit of the first entry.
    pub first: Unit,
    /// Units from `first` on: 1 to [`TABLE_CHUNK`], none past 1023.
    pub entries: Vec<TableEntry>,
}

/// What the table says of one unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableEntry {
    /// `None`: nobody, it is in the pool of unassigned units (CL-31).
    pub owner: Option<MemberId>,
    /// How often it has been assigned.
    pub version: UnitVersion,
}

/// A member in the master's keepalive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemberState {
    /// Its number.
    pub id: MemberId,
    /// Its own address.
    pub ip: Ipv4Addr,
    /// Units it owns.
    pub units: u16,
    /// Its last keepalive that the master heard: so long after sending that one it may act without more (H-CL-20).
    pub heard: u64,
    /// It is about to leave, as it says itself: it gets no units, and those that it has are moved away.
    pub leaving: bool,
}

/// Body of a MEMBER-KEEPALIVE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemberKeepalive {
    /// Counts its keepalives (CL-46, CL-73).
    pub keepalive_seq: u64,
    /// Units it believes it owns.
    pub units: u16,
    /// Its load, in whatever unit the configuration balances by.
    pub load: u32,
    /// Version of the unit table it acts by.
    pub table_version: u32,
    /// The last keepalive of its master that it heard: so long after sending that one the master may count on it (H-CL-6).
    pub heard: u64,
    /// It wants to leave as soon as its units are with others.
    pub leaving: bool,
    /// It has the state of all sessions; before, it owns no unit (H-CL-25).
    pub ready: bool,
}

/// A unit, the version of its assignment, and its owner.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Assignment {
    /// The unit.
    pub unit: Unit,
    /// How often it has been assigned, this time included.
    pub version: UnitVersion,
    /// Its owner: the new one in UNIT-ASSIGN, the target in UNIT-DEASSIGN.
    pub owner: MemberId,
}

/// A place in the changes of state of one member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StateMark {
    /// Whose changes.
    pub origin: MemberId,
    /// All of them up to this one.
    pub seq: u64,
}
