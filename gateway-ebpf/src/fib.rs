//! The kernel's routing table.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::bpf_fib_lookup;
use gateway_common::Ip4;

use crate::context::Context;
use crate::parse::ipv4::Ipv4;

/// Where a packet goes next.
pub(crate) struct NextHop {
    /// Interface it leaves by.
    pub(crate) ifindex: u32,
    /// That interface's address.
    pub(crate) source: [u8; 6],
    /// The neighbour's address.
    pub(crate) destination: [u8; 6],
}

/// `struct bpf_fib_lookup`, IPv4's view of its unions.
#[repr(C)]
struct Lookup {
    family: u8,
    protocol: u8,
    ports: [u16; 2],
    /// Octets of the packet for the MTU check; the MTU on return.
    total_len: u16,
    ifindex: u32,
    tos: u8,
    reserved: [u8; 3],
    source: Ip4,
    source_rest: [u32; 3],
    destination: Ip4,
    destination_rest: [u32; 3],
    vlan: u32,
    source_mac: [u8; 6],
    destination_mac: [u8; 6],
}

const _: () = assert!(size_of::<Lookup>() == size_of::<aya_ebpf::bindings::bpf_fib_lookup>());

const AF_INET: u8 = 2;

/// The next hop of a packet, or `None` where the kernel has to decide: no route, no neighbour, too large for the
/// path, not for forwarding.
#[inline(always)]
pub(crate) fn next_hop(context: &Context, ip: &Ipv4) -> Option<NextHop> {
    let mut lookup = Lookup {
        family: AF_INET,
        protocol: ip.protocol,
        ports: [0; 2],
        total_len: ip.total_len,
        ifindex: context.ifindex(),
        tos: ip.tos,
        reserved: [0; 3],
        source: ip.source,
        source_rest: [0; 3],
        destination: ip.destination,
        destination_rest: [0; 3],
        vlan: 0,
        source_mac: [0; 6],
        destination_mac: [0; 6],
    };
    // SAFETY: the structure is the kernel's, of the length that is passed.
    let result =
        unsafe { bpf_fib_lookup(context.kernel().as_ptr(), (&raw mut lookup).cast(), size_of::<Lookup>() as i32, 0) };
    if result != 0 {
        return None;
    }
    Some(NextHop { ifindex: lookup.ifindex, source: lookup.source_mac, destination: lookup.destination_mac })
}
