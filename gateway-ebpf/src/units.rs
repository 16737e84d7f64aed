//! The unit table: whose the work units are, and what becomes of those that are not ours.

use aya_ebpf::macros::map;
use aya_ebpf::maps::Array;
use gateway_common::unit::{UNITS as COUNT, Unit, UnitState};

#[map]
static UNITS: Array<UnitState> = Array::with_max_entries(COUNT, 0);

/// The disposition of a unit's packets: of its DHCP, or of all others.
#[inline(always)]
pub(crate) fn disposition(unit: Unit, dhcp: bool) -> u8 {
    match UNITS.get(unit.index()) {
        Some(state) if dhcp => state.dhcp,
        Some(state) => state.data,
        None => UnitState::FOREIGN,
    }
}

/// The member that owns a unit; 0 when nobody does.
#[inline(always)]
pub(crate) fn owner(unit: u16) -> u16 {
    UNITS.get(unit as u32).map_or(0, |state| state.owner)
}
