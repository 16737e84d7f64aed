//! What an IPv6 packet is, found out in a function of its own in the kernel too: the walk over its headers has many
//! ways to end, and the verifier would follow all that comes later for each of them.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::xdp_md;
use aya_ebpf::programs::XdpContext;

use crate::context::Context;
use crate::opaque::opaque;
use crate::packet::Packet;
use crate::parse::ipv6::{self, Kind};

/// What the packet is whose IPv6 header at `network` was parsed.
#[inline(always)]
pub(crate) fn of(context: &Context, network: usize) -> Kind {
    Kind::from_number(look(context.kernel().as_ptr().cast(), network as u32))
}

#[inline(never)]
fn look(context: *mut xdp_md, network: u32) -> u32 {
    // Else the compiler would pass what it reads of the context instead, as numbers in which the verifier sees no packet.
    let context = opaque(context as usize) as *mut xdp_md;
    ipv6::kind(&Packet::of(&XdpContext::new(context)), network as usize).number()
}
