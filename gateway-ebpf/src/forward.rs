//! Sending an IP packet on: up by the kernel's routing table, down by access route.

use gateway_common::settings::Settings;
use gateway_common::verdict::Verdict;
use gateway_common::vlan::VlanTags;

use crate::context::Context;
use crate::fib::{self, NextHop};
use crate::packet::Packet;
use crate::parse::ethernet::{self, Frame, IPV4, IPV6};
use crate::parse::ipv4::Ipv4;
use crate::parse::ipv6::Ipv6;
use crate::rewrite::{self, Link};
use crate::routes::Live;
use crate::{locals, ports, settings};

/// The header of a packet that is forwarded.
pub(crate) trait Header {
    /// Network order.
    const ETHERTYPE: u16;
    /// Octets from the header to the end of the packet.
    fn total_len(&self) -> u16;
    /// Whether only the kernel's stack can do what is to be done: time exceeded, options.
    fn needs_kernel(&self) -> bool;
    /// Whether it is for the gateway itself.
    fn is_local(&self) -> bool;
    /// Where it goes next; `None` for the gateway's own, and what the kernel has to decide.
    fn next_hop(&self, context: &Context) -> Option<NextHop>;
    /// Takes one hop off the packet at `network`.
    fn take_hop(&self, packet: &Packet, network: usize) -> Option<()>;
}

impl Header for Ipv4 {
    const ETHERTYPE: u16 = IPV4;

    #[inline(always)]
    fn total_len(&self) -> u16 {
        self.total_len
    }

    #[inline(always)]
    fn needs_kernel(&self) -> bool {
        self.ttl <= 1 || self.options
    }

    #[inline(always)]
    fn is_local(&self) -> bool {
        locals::contains(self.destination)
    }

    #[inline(always)]
    fn next_hop(&self, context: &Context) -> Option<NextHop> {
        fib::next_hop(context, self)
    }

    #[inline(always)]
    fn take_hop(&self, packet: &Packet, network: usize) -> Option<()> {
        rewrite::take_hop(packet, network)
    }
}

/// A router may forward what has a hop-by-hop header without looking into it (RFC 8200, section 4).
impl Header for Ipv6 {
    const ETHERTYPE: u16 = IPV6;

    #[inline(always)]
    fn total_len(&self) -> u16 {
        self.total_len
    }

    #[inline(always)]
    fn needs_kernel(&self) -> bool {
        self.hop_limit <= 1
    }

    #[inline(always)]
    fn is_local(&self) -> bool {
        locals::contains6(self.destination)
    }

    #[inline(always)]
    fn next_hop(&self, context: &Context) -> Option<NextHop> {
        let own = settings::get().map_or(0, |settings| settings.main6);
        if own & Settings::main_bit6(self.destination) != 0 && self.is_local() {
            return None;
        }
        fib::next_hop6(context, self, own != 0)
    }

    #[inline(always)]
    fn take_hop(&self, packet: &Packet, network: usize) -> Option<()> {
        rewrite::take_hop6(packet, network, self.hop_limit)
    }
}

/// Up, toward the network or the gateway itself: next hop by the kernel's routing table.
#[inline(always)]
pub(crate) fn up<I: Header>(context: &Context, frame: &Frame, ip: &I) -> Verdict {
    if ip.needs_kernel() {
        return to_kernel(context, frame, ip);
    }
    // The kernel forwards nothing that is for itself, so its own addresses are looked up only when it does not.
    let Some(hop) = ip.next_hop(context) else { return to_kernel(context, frame, ip) };
    // An access port is reached through an access route only, which is looked up before this.
    if ports::is_access(hop.ifindex) || !ports::redirect(hop.ifindex) {
        return slow(context, frame);
    }
    let link = Link { destination: hop.destination, source: hop.source, tags: VlanTags::NONE };
    match rewrite::forward(context, frame, &link, I::ETHERTYPE, |packet, at| ip.take_hop(packet, at)) {
        Some(()) => Verdict::ForwardedUp,
        None => Verdict::PassedSlow,
    }
}

/// Down, to a subscriber: `verdict` says from where.
#[inline(always)]
pub(crate) fn down<I: Header>(context: &Context, frame: &Frame, ip: &I, to: &Live, verdict: Verdict) -> Verdict {
    if ip.needs_kernel() {
        return slow(context, frame);
    }
    let Some(port) = ports::get(to.route.ifindex) else { return slow(context, frame) };
    if ip.total_len() as u32 > port.mtu || !ports::redirect(to.route.ifindex) {
        return slow(context, frame);
    }
    to.count_down(ip.total_len());
    let link = Link { destination: to.route.mac, source: port.mac, tags: to.route.tags };
    match rewrite::forward(context, frame, &link, I::ETHERTYPE, |packet, at| ip.take_hop(packet, at)) {
        Some(()) => verdict,
        None => Verdict::PassedSlow,
    }
}

/// Leaves to the kernel what is for the gateway itself, or what only the kernel can forward.
#[inline(always)]
fn to_kernel(context: &Context, frame: &Frame, ip: &impl Header) -> Verdict {
    if ip.is_local() { Verdict::PassedLocal } else { slow(context, frame) }
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
