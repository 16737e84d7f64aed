//! Rows about work units and members.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::paths::Stream;

/// Work units, and who serves them.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Units {
    /// The cluster's name; none without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// This member, by its number.
    pub member: u16,
    /// Owner of each of the 1024 units as the data plane has it, by number, 0 where nobody is.
    pub owners: Vec<u16>,
    /// This member serves none, and others may own what is told as its own.
    #[serde(default)]
    pub fenced: bool,
    /// Units whose packets are held until an owner can have them.
    pub held: usize,
    /// Units on their way to another owner; only the master knows.
    pub moving: Vec<u16>,
    /// How often a unit got an owner since this member started, as it saw that: first ones and changes.
    pub moves: u64,
    /// What each member has. Nobody, with number 0, is among them while a unit has no owner.
    pub members: Vec<Share>,
    /// Each unit; only when asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<Unit>,
}

/// What a member has of the work.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Share {
    /// The member's number; 0 is nobody.
    pub id: u16,
    /// Its name.
    pub name: String,
    /// Units it owns.
    pub units: u32,
    /// Of these, on their way to another.
    pub moving: u32,
    /// How often those that it owns got an owner, as this member saw it.
    pub moves: u64,
    /// Subscribers of its units.
    pub sessions: u64,
    /// Packets it forwards in a second; the master knows everyone's, others their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<u32>,
    /// Seconds since it got the last one of its units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<f64>,
    /// Seconds since it got the first one of its units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<f64>,
}

/// A work unit.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Unit {
    /// Its number.
    pub unit: u16,
    /// Its owner's number, 0 when nobody is.
    pub owner: u16,
    /// Its owner's name; none when nobody is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Seconds since that is so, as this member learnt it; none without a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<f64>,
    /// How often it was assigned, by all masters of all terms.
    pub version: u32,
    /// How often it got an owner since this member started, as it saw that.
    pub moves: u32,
    /// It is on its way to another owner; only the master knows.
    pub moving: bool,
    /// Its packets are held until an owner can have them.
    pub held: bool,
    /// Subscribers whose DHCP is of this unit: their DHCPv4, or of those without IPv4 their DHCPv6, so that each is one.
    pub sessions: u32,
}

/// The cluster, as the member that was asked sees it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Members {
    /// The cluster's name.
    pub cluster: String,
    /// The member that was asked.
    pub me: String,
    /// What it is: joining, offering, member, master, left.
    pub role: String,
    /// Whom it follows, itself included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// Generation of that mastership.
    pub term: u32,
    /// Who does what has no client, such as single logouts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keeper: Option<String>,
    /// It serves nothing: others may own what was its own.
    pub fenced: bool,
    /// It rules without a majority.
    #[serde(default)]
    pub degraded: bool,
    /// Replies leave though too few members have their sessions.
    pub unreplicated: bool,
    /// Frames that wait for their unit's owner now, and that waited in vain.
    pub held: u64,
    /// See `held`.
    pub held_dropped: u64,
    /// Where etcd elects the master: whether it answers this member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etcd: Option<Etcd>,
    /// When this member's certificate ends, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_end: Option<u64>,
    /// All configured members.
    pub members: Vec<Member>,
    /// What this member counted since it started.
    #[serde(default)]
    pub counted: ClusterCounts,
}

/// How it stands with etcd.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Etcd {
    /// The endpoint that answers, or that was tried last.
    pub endpoint: String,
    /// It answers. If not, no unit moves, and everything else goes on.
    pub reachable: bool,
    /// Milliseconds since it does, or does not.
    pub since_ms: u64,
    /// Why it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A member of the cluster.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Member {
    /// Its number.
    pub id: u8,
    /// Its name.
    pub name: String,
    /// Its own address on the link between the members.
    pub address: String,
    /// "member", "absent", or "draining".
    pub state: String,
    /// Its stream stands.
    pub connected: bool,
    /// Units it owns.
    pub units: u16,
    /// Packets it forwards in a second; only the master knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<u32>,
    /// Part of its keepalives that is lost, in percent; only the master knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Milliseconds since the master heard it; only the master knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heard_ms: Option<u64>,
    /// Changes of the asked member that this one has not acknowledged; none for itself, or without a stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<u64>,
    /// What carries its stream; none for the asked member itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<Stream>,
}

/// What a member counts.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ClusterCounts {
    /// Times it became master.
    pub masterships: u64,
    /// Times it stopped serving.
    pub fenced: u64,
    /// Units it assigned, as master.
    pub assigned: u64,
    /// Units it moved for balance or to drain a member, as master.
    pub moved: u64,
    /// How often a unit got an owner, as it saw that.
    pub moves: u64,
    /// Packets sent on to it of units that are not its own.
    pub misdirected: u64,
    /// Datagrams from who is not configured, or from another address than the sender's.
    pub strangers: u64,
    /// Messages of a mastership that is over.
    pub stale: u64,
    /// Datagrams without effect, by reason: `forged`, `replayed`, `unknown-sender` …
    pub refused: BTreeMap<String, u64>,
    /// Logins and other whole sessions it told the others.
    pub sessions_sent: u64,
    /// Changes of any kind it told the others, sessions among them.
    pub changes_sent: u64,
    /// Changes of others that it took in.
    pub changes_applied: u64,
    /// Changes of former owners that it discarded.
    pub changes_fenced: u64,
    /// Snapshots it took.
    pub snapshots_taken: u64,
    /// Snapshots it gave.
    pub snapshots_given: u64,
    /// Batches of replies that wait until others have their sessions, now.
    pub replies_waiting: u64,
    /// Changes of the addresses of members' streams that it made.
    #[serde(default)]
    pub path_changes: u64,
    /// Such changes that were refused or not answered.
    #[serde(default)]
    pub path_failures: u64,
    /// Streams that were begun anew for their addresses.
    #[serde(default)]
    pub path_reconnects: u64,
}
