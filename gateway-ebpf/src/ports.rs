//! The port table: the interfaces the programs are attached to, and which of them may be redirected to.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{DevMapHash, HashMap, PerCpuArray};
use gateway_common::maps::MAX_PORTS;
use gateway_common::port::Port;

use crate::clock;

#[map]
static PORTS: HashMap<u32, Port> = HashMap::with_max_entries(MAX_PORTS, 0);

#[map]
static DEVICES: DevMapHash = DevMapHash::with_max_entries(MAX_PORTS, 0);

/// The interface that was last found to be no access port, and when.
#[repr(C)]
#[derive(Clone, Copy)]
struct Uplink {
    tick: u64,
    ifindex: u64,
}

#[map]
static UPLINK: PerCpuArray<Uplink> = PerCpuArray::with_max_entries(1, 0);

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

/// Whether an interface is an access port. Nearly all packets leave by the same interface: what the table says of it is
/// believed for a tick.
#[inline(always)]
pub(crate) fn is_access(ifindex: u32) -> bool {
    let uplink = Uplink { tick: clock::tick(), ifindex: ifindex as u64 };
    let Some(last) = UPLINK.get_ptr_mut(0) else { return true };
    // SAFETY: the cell is this processor's own.
    unsafe {
        if (*last).tick == uplink.tick && (*last).ifindex == uplink.ifindex {
            return false;
        }
        if get(ifindex).is_some_and(|port| port.side == Port::ACCESS) {
            return true;
        }
        *last = uplink;
    }
    false
}
