//! The port table: the interfaces the programs are attached to, and which of them may be redirected to.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{DevMapHash, HashMap};
use gateway_common::maps::MAX_PORTS;
use gateway_common::port::Port;

#[map]
static PORTS: HashMap<u32, Port> = HashMap::with_max_entries(MAX_PORTS, 0);

#[map]
static DEVICES: DevMapHash = DevMapHash::with_max_entries(MAX_PORTS, 0);

/// The port with this interface index.
#[inline(always)]
pub(crate) fn get(ifindex: u32) -> Option<&'static Port> {
    // SAFETY: the value is read as plain integers; a port that is replaced meanwhile costs at most this packet.
    unsafe { PORTS.get(ifindex) }
}

/// Prepares the redirection of this packet to `ifindex`: whether the device map has it. The frame may still be
/// rewritten; it leaves when the program returns `XDP_REDIRECT`.
#[inline(always)]
pub(crate) fn redirect(ifindex: u32) -> bool {
    DEVICES.redirect(ifindex, 0).is_ok()
}
