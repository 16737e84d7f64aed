//! The run-time settings.

use aya_ebpf::macros::map;
use aya_ebpf::maps::Array;
use gateway_common::settings::Settings;

#[map]
static SETTINGS: Array<Settings> = Array::with_max_entries(1, 0);

/// The settings. The cell always exists; the verifier does not know it.
#[inline(always)]
pub(crate) fn get() -> Option<&'static Settings> {
    SETTINGS.get(0)
}
