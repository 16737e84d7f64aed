//! Sending an IPv4 packet on: up by the kernel's routing table, down by access route.

use gateway_common::verdict::Verdict;
use gateway_common::vlan::VlanTags;

use crate::context::Context;
use crate::parse::ethernet::{self, Frame};
use crate::parse::ipv4::Ipv4;
use crate::rewrite::{self, Link};
use crate::routes::Live;
use crate::{fib, locals, ports};

/// Up, toward the network or the gateway itself: next hop by the kernel's routing table.
#[inline(always)]
pub(crate) fn up(context: &Context, frame: &Frame, ip: &Ipv4) -> Verdict {
    if needs_kernel(ip) {
        return to_kernel(context, frame, ip);
    }
    // The kernel forwards nothing that is for itself, so its own addresses are looked up only when it does not.
    let Some(hop) = fib::next_hop(context, ip) else { return to_kernel(context, frame, ip) };
    // An access port is reached through an access route only, which is looked up before this.
    if ports::is_access(hop.ifindex) || !ports::redirect(hop.ifindex) {
        return slow(context, frame);
    }
    let link = Link { destination: hop.destination, source: hop.source, tags: VlanTags::NONE };
    match rewrite::forward(context, frame, &link) {
        Some(()) => Verdict::ForwardedUp,
        None => Verdict::PassedSlow,
    }
}

/// Down, to a subscriber: `verdict` says from where.
#[inline(always)]
pub(crate) fn down(context: &Context, frame: &Frame, ip: &Ipv4, to: &Live, verdict: Verdict) -> Verdict {
    if needs_kernel(ip) {
        return slow(context, frame);
    }
    let Some(port) = ports::get(to.route.ifindex) else { return slow(context, frame) };
    if ip.total_len as u32 > port.mtu || !ports::redirect(to.route.ifindex) {
        return slow(context, frame);
    }
    to.count_down(ip.total_len);
    let link = Link { destination: to.route.mac, source: port.mac, tags: to.route.tags };
    match rewrite::forward(context, frame, &link) {
        Some(()) => verdict,
        None => Verdict::PassedSlow,
    }
}

/// What only the kernel's stack does: time exceeded, options.
#[inline(always)]
fn needs_kernel(ip: &Ipv4) -> bool {
    ip.ttl <= 1 || ip.options
}

/// Leaves to the kernel what is for the gateway itself, or what only the kernel can forward.
#[inline(always)]
fn to_kernel(context: &Context, frame: &Frame, ip: &Ipv4) -> Verdict {
    if locals::contains(ip.destination) { Verdict::PassedLocal } else { slow(context, frame) }
}

/// Leaves a packet to the kernel's own forwarding. It goes without its tags, for which the kernel has no interface.
#[inline(always)]
fn slow(context: &Context, frame: &Frame) -> Verdict {
    let packet = context.packet();
    if let (Some(destination), Some(source)) = (ethernet::destination(&packet), ethernet::source(&packet)) {
        let _ = rewrite::untag(context, frame, destination, source);
    }
    Verdict::PassedSlow
}
