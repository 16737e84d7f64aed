//! Whom a frame is addressed to at the link layer. A segment floods what it has not learnt, and in a cluster it floods
//! all that goes to a shared MAC: not every frame that arrives is for us.

use aya_ebpf::macros::map;
use aya_ebpf::maps::PerCpuArray;

use crate::context::Context;
use crate::packet::Packet;
use crate::{clock, cluster, ports};

/// Whom a frame is addressed to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    /// The port's own MAC, or the one the members share.
    Us,
    /// Multicast or broadcast.
    Group,
    /// Another host.
    Other,
}

/// The address that was last found to be ours, where, and when.
#[repr(C)]
#[derive(Clone, Copy)]
struct Accepted {
    tick: u64,
    ifindex: u64,
    mac: u64,
}

#[map]
static ACCEPTED: PerCpuArray<Accepted> = PerCpuArray::with_max_entries(1, 0);

/// Whom the frame is addressed to. Nearly all frames are to the port's own MAC: what the table says of it is believed
/// for a tick. A port that is not in the table takes everything.
#[inline(always)]
pub(crate) fn of(context: &Context, packet: &Packet) -> To {
    let Some(word) = packet.read::<u64>(0) else { return To::Us };
    let mac = word & MAC;
    if mac & GROUP != 0 {
        return To::Group;
    }
    let accepted = Accepted { tick: clock::tick(), ifindex: context.ifindex() as u64, mac };
    let Some(last) = ACCEPTED.get_ptr_mut(0) else { return To::Us };
    // SAFETY: the cell is this processor's own.
    unsafe {
        if (*last).mac == mac && (*last).ifindex == accepted.ifindex && (*last).tick == accepted.tick {
            return To::Us;
        }
        let Some(port) = ports::get(context.ifindex()) else { return To::Us };
        if mac != number(port.mac) && !is_shared(mac) {
            return To::Other;
        }
        *last = accepted;
    }
    To::Us
}

/// Whether this is the MAC that the members share.
#[inline(always)]
fn is_shared(mac: u64) -> bool {
    mac != 0 && cluster::role().is_some_and(|role| number(role.shared_mac) == mac)
}

/// Gives a frame for the kernel's own stack the MAC by which that takes it: one that came to the shared MAC, or was
/// carried here, would be another host's to it.
#[inline(always)]
pub(crate) fn for_kernel(context: &Context) {
    let packet = context.packet();
    let Some(word) = packet.read::<u64>(0) else { return };
    if !context.is_carried() && !is_shared(word & MAC) {
        return;
    }
    if let Some(port) = ports::get(context.arrived_on()) {
        let _ = packet.write(0, port.mac);
    }
}

/// The six octets of an address in the first eight of a frame.
const MAC: u64 = 0xffff_ffff_ffff;
/// The bit of a group address.
const GROUP: u64 = 1;

const _: () = assert!(cfg!(target_endian = "little"), "an address is read as a little-endian number");

#[inline(always)]
fn number(mac: [u8; 6]) -> u64 {
    let [a, b, c, d, e, f] = mac;
    u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
}
