//! What an IPv6 packet is, found out in a global function: the walk over its headers has many ways to end, and the verifier
//! would follow all that comes later for each of them.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::xdp_md;
use aya_ebpf::programs::XdpContext;

use crate::context::Context;
use crate::opaque::opaque;
use crate::packet::Packet;
use crate::parse::ipv6::{self, Kind};

/// The header is behind Ethernet and at most two tags; the verifier must see some bound.
const HIGHEST_NETWORK: u32 = 31;

/// What the packet is whose IPv6 header at `network` was parsed.
#[inline(always)]
pub(crate) fn of(context: &Context, network: usize) -> Kind {
    Kind::from_number(ipv6_kind(context.kernel().as_ptr().cast(), network as u32))
}

/// A global function: see the crate's main file.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn ipv6_kind(context: *mut xdp_md, network: u32) -> u32 {
    // Else the compiler would pass what it reads of the context instead, as numbers in which the verifier sees no packet.
    let context = opaque(context as usize) as *mut xdp_md;
    ipv6::kind(&Packet::of(&XdpContext::new(context)), (network & HIGHEST_NETWORK) as usize).number()
}
