//! What the data plane does with a unit.

use gateway_common::unit::Unit;

use crate::member::MemberId;

/// What becomes of a packet, by its unit (CL-59 to CL-64).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Disposition {
    /// Not ours: dropped without a word (CL-5, CL-60, CL-62).
    #[default]
    Foreign,
    /// Ours (CL-59).
    Own,
    /// Sent on to its owner (CL-63).
    Forward,
    /// Given to [`Cluster::handle_held`](super::Cluster::handle_held): until it has an owner (CL-61, CL-64), or while it changes
    /// hands and reaches both owners (H-CL-19).
    Held,
}

/// What the data plane does with a unit at this member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnitRule {
    /// The unit.
    pub unit: Unit,
    /// Of subscribers' data.
    pub data: Disposition,
    /// Of DHCP, in either direction.
    pub dhcp: Disposition,
    /// The owner, for [`Disposition::Forward`]. `None`: nobody.
    pub owner: Option<MemberId>,
}
