//! The unit table: which work units are ours.

use aya_ebpf::macros::map;
use aya_ebpf::maps::Array;
use gateway_common::unit::{UNITS as COUNT, Unit, UnitState};

#[map]
static UNITS: Array<UnitState> = Array::with_max_entries(COUNT, 0);

/// Whether packets of `unit` are for this member.
#[inline(always)]
pub(crate) fn is_ours(unit: Unit) -> bool {
    UNITS.get(unit.index()).is_some_and(|state| state.disposition == UnitState::OWN)
}
