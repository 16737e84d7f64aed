//! What a member is told by the configuration.

use core::net::Ipv4Addr;

use super::constants::Constants;
use crate::member::{MemberId, Term};

/// A cluster as one of its members sees it. All but `me` and `first_term` must be the same on all members.
#[derive(Clone, PartialEq, Debug)]
pub struct ClusterConfig {
    /// This member.
    pub me: MemberId,
    /// All members there may be, this one included. The quorum counts them.
    pub members: Vec<MemberConfig>,
    /// Version of the configuration (H-CL-11).
    pub config_version: u32,
    /// Digest of what must be the same on all members (H-CL-11).
    pub config_digest: u64,
    /// How packets reach their owner.
    pub delivery: Delivery,
    /// Who may be master.
    pub quorum: Quorum,
    /// Who elects.
    pub coordination: Coordination,
    /// Applications are asked whether a unit may join (CL-39): [`Command::AskToJoin`](super::Command::AskToJoin).
    pub objectors: bool,
    /// Terms of this member's masterships are greater. Unix seconds do: then a cluster that was stopped as a whole
    /// begins with terms, and versions of assignments, greater than all it ever used.
    pub first_term: Term,
    /// All times and bounds.
    pub constants: Constants,
}

impl ClusterConfig {
    /// A configured member.
    pub fn member(&self, id: MemberId) -> Option<&MemberConfig> {
        self.members.iter().find(|member| member.id == id)
    }

    /// The address of a configured member.
    pub(super) fn ip(&self, id: MemberId) -> Ipv4Addr {
        self.member(id).map_or(Ipv4Addr::UNSPECIFIED, |member| member.ip)
    }

    /// Members, the master included, without which there is no master (H-CL-6).
    pub(super) fn majority(&self) -> usize {
        self.members.len() / 2 + 1
    }

    /// Members, the master included, that must hear a master which has not the coordinator's word: a majority, or all if
    /// the coordinator alone is the quorum.
    pub(super) fn needed_without_coordinator(&self) -> usize {
        match (self.coordination, self.quorum) {
            (Coordination::Members, _) | (Coordination::External, Quorum::Majority) => self.majority(),
            (Coordination::External, Quorum::Degraded | Quorum::None) => self.members.len(),
        }
    }

    /// Members, itself included, that must have joined a master which the coordinator elected before it takes from the
    /// rest: then those are too few to have a master without the coordinator.
    pub(super) fn needed_to_take_over(&self) -> usize {
        self.members.len() + 1 - self.needed_without_coordinator()
    }
}

/// A member as configured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberConfig {
    /// Its number.
    pub id: MemberId,
    /// Its own address on the cluster's link.
    pub ip: Ipv4Addr,
    /// Its name.
    pub name: String,
}

/// How a packet for the cluster's address reaches the member that owns its unit (CL-48 to CL-50).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Delivery {
    /// It reaches the master, which forwards it.
    #[default]
    Forward,
    /// It reaches all members at a unicast MAC that they share.
    UnicastMac,
    /// It reaches all members at a multicast MAC.
    MulticastMac,
}

/// Who may be master (H-CL-6).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Quorum {
    /// Who is supported by a majority of the configured members.
    #[default]
    Majority,
    /// Anyone; without a majority it takes over, does not rebalance, and logs nobody out, because it may not be alone:
    /// nobody is keeper then. For two members without a witness.
    Degraded,
    /// Anyone (the source document).
    None,
}

/// Who elects the master.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Coordination {
    /// The members.
    #[default]
    Members,
    /// A coordinator outside, such as etcd: see [`Cluster::handle_coordination`](super::Cluster::handle_coordination).
    External,
}
