//! What this member is in its cluster, and who the others are.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap};
use gateway_common::cluster::{MemberKey, MemberMac, PeerKey, Role};
use gateway_common::maps::{MAX_MEMBERS, MAX_PORTS};

use crate::clock;

#[map]
static CLUSTER: Array<Role> = Array::with_max_entries(1, 0);

#[map]
static MEMBERS: HashMap<MemberKey, MemberMac> = HashMap::with_max_entries(MAX_MEMBERS, 0);

#[map]
static PEERS: HashMap<PeerKey, u32> = HashMap::with_max_entries(MAX_MEMBERS, 0);

#[map]
static PLACES: Array<u32> = Array::with_max_entries(MAX_PORTS, 0);

/// This member's role. The cell always exists; the verifier does not know it.
#[inline(always)]
pub(crate) fn role() -> Option<&'static Role> {
    CLUSTER.get(0)
}

/// Whether what members share is no longer ours to serve: nobody has told us for too long that it is (H-CL-20).
#[inline(always)]
pub(crate) fn is_fenced() -> bool {
    role().is_some_and(|role| role.until_ns != 0 && clock::this_tick() > role.until_ns)
}

/// The MAC of a member on the segment of one of our interfaces.
#[inline(always)]
pub(crate) fn mac(ifindex: u32, member: u16) -> Option<[u8; 6]> {
    // SAFETY: the value is read as plain octets; one that is replaced meanwhile costs at most this packet.
    unsafe { MEMBERS.get(MemberKey { ifindex, member: member as u32 }) }.map(|member| member.mac)
}

/// Whether a frame with this source address came from another member.
#[inline(always)]
pub(crate) fn is_peer(ifindex: u32, mac: [u8; 6]) -> bool {
    PEERS.get_ptr(PeerKey { ifindex, mac, reserved: 0 }).is_some()
}

/// The access port at this place of the configuration.
#[inline(always)]
pub(crate) fn port_at(place: u16) -> Option<u32> {
    PLACES.get(place as u32).copied().filter(|ifindex| *ifindex != 0)
}
