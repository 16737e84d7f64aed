//! The kernel's routing table.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::{BPF_FIB_LOOKUP_DIRECT, bpf_fib_lookup};
use aya_ebpf::helpers;

use crate::context::Context;
use crate::opaque::opaque;
use crate::parse::ipv4::Ipv4;
use crate::parse::ipv6::Ipv6;

/// Where a packet goes next.
pub(crate) struct NextHop {
    /// Interface it leaves by.
    pub(crate) ifindex: u32,
    /// That interface's address.
    pub(crate) source: [u8; 6],
    /// The neighbour's address.
    pub(crate) destination: [u8; 6],
}

/// `struct bpf_fib_lookup` in eight words: the verifier wants a stack that is written and read in aligned pieces, and
/// the structure's addresses are not.
///
/// | word | octets |
/// |---|---|
/// | 0 | family, protocol, ports (2 + 2), total length |
/// | 1 | interface (4), type of service (1) or flow (4) |
/// | 2, 3 | source address (4 or 16) |
/// | 4, 5 | destination address (4 or 16) |
/// | 6, 7 | VLAN (4), source MAC (6), destination MAC (6) |
type Lookup = [u64; 8];

const _: () = assert!(size_of::<Lookup>() == size_of::<bpf_fib_lookup>());
const _: () = assert!(cfg!(target_endian = "little"), "words are put together from little-endian fields");

const AF_INET: u64 = 2;
const AF_INET6: u64 = 10;
/// Traffic class and flow label, network order.
const FLOW: u32 = 0x0fff_ffffu32.to_be();

/// For neighbouring words: of zeros that the compiler knows it makes a loop over their octets.
#[inline(always)]
fn zero() -> u64 {
    opaque(0) as u64
}

/// The next hop of an IPv4 packet, or `None` where the kernel has to decide: no route, no neighbour, too large for the
/// path, not for forwarding.
#[inline(always)]
pub(crate) fn next_hop(context: &Context, ip: &Ipv4) -> Option<NextHop> {
    let zero = zero();
    look_up(
        context,
        [
            AF_INET | (ip.protocol as u64) << 8 | (ip.total_len as u64) << 48,
            context.ifindex() as u64 | (ip.tos as u64) << 32,
            ip.source.0 as u64,
            0,
            ip.destination.0 as u64,
            zero,
            zero,
            zero,
        ],
        0,
    )
}

/// The same for IPv6. With `main` the kernel asks its main table only, not first the local one, which takes as long: for
/// what is known not to be the gateway's own, where no rules name other tables.
#[inline(always)]
pub(crate) fn next_hop6(context: &Context, ip: &Ipv6, main: bool) -> Option<NextHop> {
    let (source, destination, zero) = (ip.source.0, ip.destination.0, zero());
    look_up(
        context,
        [
            AF_INET6 | (ip.next as u64) << 8 | (ip.total_len as u64) << 48,
            context.ifindex() as u64 | ((ip.flow & FLOW) as u64) << 32,
            source[0],
            source[1],
            destination[0],
            destination[1],
            zero,
            zero,
        ],
        if main { BPF_FIB_LOOKUP_DIRECT } else { 0 },
    )
}

#[inline(always)]
fn look_up(context: &Context, mut lookup: Lookup, flags: u32) -> Option<NextHop> {
    let len = size_of::<Lookup>() as i32;
    // SAFETY: the words are the kernel's structure, and as long as is passed.
    let result = unsafe {
        helpers::bpf_fib_lookup(context.kernel().as_ptr(), (&raw mut lookup).cast::<bpf_fib_lookup>(), len, flags)
    };
    if result != 0 {
        return None;
    }
    let [.., vlan_source, source_destination] = lookup;
    let [_, _, _, _, a, b, c, d] = vlan_source.to_le_bytes();
    let [e, f, destination @ ..] = source_destination.to_le_bytes();
    Some(NextHop { ifindex: lookup[1] as u32, source: [a, b, c, d, e, f], destination })
}
