//! What an operator sees.

use core::net::Ipv4Addr;

use gateway_common::unit::Unit;

use crate::member::{MemberId, Term, UnitVersion};
use crate::time::Instant;

/// The cluster as this member sees it.
#[derive(Clone, PartialEq, Debug)]
pub struct ClusterView {
    /// This member.
    pub me: MemberId,
    /// What it is.
    pub role: Role,
    /// The master it follows, itself included.
    pub master: Option<MemberId>,
    /// The term of that mastership, or the last one known.
    pub term: Term,
    /// It processes nothing.
    pub fenced: bool,
    /// It rules without a majority.
    pub degraded: bool,
    /// Who does what has no client.
    pub keeper: Option<MemberId>,
    /// Adaptive interval.
    pub n: u8,
    /// All configured members.
    pub members: Vec<MemberView>,
    /// The 1024 units.
    pub units: Vec<UnitView>,
}

/// What a member is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Looking for a master.
    Joining,
    /// Offering to be master.
    Offering,
    /// Follows a master.
    Member,
    /// Master.
    Master,
    /// Left, as the operator wished.
    Left,
}

/// A configured member.
#[derive(Clone, PartialEq, Debug)]
pub struct MemberView {
    /// Its number.
    pub id: MemberId,
    /// Its name.
    pub name: String,
    /// Its own address.
    pub ip: Ipv4Addr,
    /// It is on the master's list.
    pub member: bool,
    /// Its connection stands.
    pub connected: bool,
    /// It is being drained, or wants to leave.
    pub draining: bool,
    /// Units it owns.
    pub units: u16,
    /// What it said of its load. Known at the master only.
    pub load: Option<u32>,
    /// Estimated loss of its keepalives, 0 to 1. Known at the master only.
    pub loss: Option<f64>,
    /// When the master last heard it. Known at the master only.
    pub heard: Option<Instant>,
}

/// A unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnitView {
    /// The unit.
    pub unit: Unit,
    /// Its owner; `None`: nobody serves it.
    pub owner: Option<MemberId>,
    /// How often it has been assigned.
    pub version: UnitVersion,
    /// Since when, as this member learnt it.
    pub since: Instant,
    /// How often its owner changed, as this member saw it.
    pub moves: u32,
    /// It is on its way to another owner. Known at the master only.
    pub moving: bool,
}

/// What was counted since the start.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counters {
    /// Datagrams of who is not configured, or from an address that is not the sender's.
    pub strangers: u64,
    /// Messages of a mastership that is not the present one.
    pub stale: u64,
    /// Packets dropped while they were held: too many, or for too long.
    pub held_dropped: u64,
    /// Packets held now.
    pub held: u64,
    /// Packets that were sent on to this member and whose unit is not its own.
    pub misdirected: u64,
    /// Units assigned by this member.
    pub assigned: u64,
    /// Units moved by this member for balance or to drain a member.
    pub moved: u64,
    /// Masterships.
    pub masterships: u64,
    /// Times this member fenced itself.
    pub fenced: u64,
}
