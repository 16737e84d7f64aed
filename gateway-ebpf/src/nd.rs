//! Neighbour discovery (RFC 4861): the program answers for the gateway on every line, nobody claims an address that is
//! not theirs, and no subscriber plays the router. What is answered for whom is as with ARP: see [`crate::arp`].

use gateway_common::Ip6;
use gateway_common::port::Port;
use gateway_common::punt::PuntReason;
use gateway_common::settings::Settings;
use gateway_common::verdict::Verdict;
use gateway_common::vlan::VlanTags;

use crate::context::Context;
use crate::locals::Local;
use crate::packet::Packet;
use crate::parse::ethernet::{self, Frame};
use crate::parse::ipv6::Ipv6;
use crate::parse::nd::{self, Flags, Neighbour};
use crate::parse::nd::{NEIGHBOUR_SOLICITATION, REDIRECT, ROUTER_ADVERTISEMENT, ROUTER_SOLICITATION};
use crate::sender::Sender;
use crate::{arp, buckets, clock, cluster, events, locals, ports, punt, routes6, settings};

/// A frame with neighbour discovery in it.
pub(crate) struct Discovery<'a> {
    pub(crate) context: &'a Context,
    pub(crate) frame: &'a Frame,
    pub(crate) ip: &'a Ipv6,
    /// ICMPv6 type.
    pub(crate) kind: u8,
    /// Extension headers stand before it, as nobody sends it but who wants it overlooked (RFC 7113).
    pub(crate) hidden: bool,
}

/// Whether only a router sends this.
#[inline(always)]
pub(crate) fn is_of_router(kind: u8) -> bool {
    kind == ROUTER_ADVERTISEMENT || kind == REDIRECT
}

/// Decides on neighbour discovery from a subscriber.
#[inline(always)]
pub(crate) fn from_subscriber(discovery: &Discovery<'_>, sender: &Sender, port: &Port) -> Verdict {
    let &Discovery { context, frame, ip, kind, hidden } = discovery;
    let now = clock::now();
    if is_of_router(kind) {
        return refuse(sender, ip.source, Verdict::RogueRouter, now);
    }
    if hidden {
        return Verdict::Malformed;
    }
    if !is_own(ip.source, sender, now) {
        return refuse(sender, ip.source, Verdict::NdSpoofed, now);
    }
    if kind == ROUTER_SOLICITATION {
        // On behalf of all members the master alone tells who is the router.
        return match cluster::role() {
            Some(role) if role.is_member() && !role.is_master() => Verdict::NdNotMaster,
            _ => tell(context, frame, sender, PuntReason::RouterSolicitation, Verdict::RouterSolicitation, now),
        };
    }
    let Some(neighbour) = nd::parse(&context.packet(), frame.network, ip) else { return Verdict::Malformed };
    if neighbour.mac.is_some_and(|mac| mac != sender.mac) {
        return refuse(sender, neighbour.target, Verdict::NdSpoofed, now);
    }
    match kind {
        NEIGHBOUR_SOLICITATION => solicited(context, frame, ip, &neighbour, sender, port, now),
        _ => advertised(context, frame, &neighbour, sender, now),
    }
}

/// Decides on a neighbour solicitation from the network: all but those for shared addresses are the kernel's.
#[inline(always)]
pub(crate) fn from_network(discovery: &Discovery<'_>) -> Verdict {
    let &Discovery { context, frame, ip, kind, hidden } = discovery;
    if kind != NEIGHBOUR_SOLICITATION || hidden {
        return Verdict::PassedNd;
    }
    let packet = context.packet();
    let Some(neighbour) = nd::parse(&packet, frame.network, ip) else { return Verdict::PassedNd };
    let (Some(role), Some(source)) = (cluster::role(), ethernet::source(&packet)) else { return Verdict::PassedNd };
    // The link-local address that members share is theirs on access ports alone: here it may be another router's.
    if neighbour.target.is_link_local() || locals::get6(neighbour.target) != Some(Local::Shared) {
        return Verdict::PassedNd;
    }
    if !role.is_master() || cluster::is_fenced() {
        return Verdict::NdNotMaster;
    }
    match ports::get(context.ifindex()) {
        Some(port) => answer(&packet, frame, ip, &neighbour, source, port, arp::delivery_mac(role, port), true),
        None => Verdict::PassedNd,
    }
}

/// A solicitation: for us, for another subscriber, or nothing of ours.
#[inline(always)]
fn solicited(
    context: &Context,
    frame: &Frame,
    ip: &Ipv6,
    neighbour: &Neighbour,
    sender: &Sender,
    port: &Port,
    now: u64,
) -> Verdict {
    let Some(role) = cluster::role() else { return Verdict::PassedNd };
    let local = locals::get6(neighbour.target);
    let ours = match local {
        Some(Local::Own) => true,
        Some(Local::Shared) => role.is_master(),
        None if role.is_member() && !role.is_master() => false,
        None if is_proxied(neighbour.target, sender, now) => true,
        None => return Verdict::PassedNd,
    };
    if !ours {
        return Verdict::NdNotMaster;
    }
    let mac = if local == Some(Local::Own) { port.mac } else { arp::delivery_mac(role, port) };
    answer(&context.packet(), frame, ip, neighbour, sender.mac, port, mac, local.is_some())
}

/// Turns the solicitation into its answer, from the port's own MAC also where it tells another, as ARP does. Who has no
/// address yet is answered by multicast (section 7.2.4). What we answer for another counts less than what that says
/// itself (section 7.2.8).
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "in the kernel five fit, but it is no call there")]
fn answer(
    packet: &Packet,
    frame: &Frame,
    ip: &Ipv6,
    neighbour: &Neighbour,
    to: [u8; 6],
    port: &Port,
    mac: [u8; 6],
    is_router: bool,
) -> Verdict {
    let is_probe = ip.source == Ip6::UNSPECIFIED;
    let (to, address) = if is_probe { (ALL_NODES, Ip6::ALL_NODES) } else { (to, ip.source) };
    let flags = Flags { router: is_router, solicited: !is_probe, overrides: is_router };
    let words = nd::advertisement(neighbour.target, address, mac, flags, neighbour.has_room);
    let written = match (neighbour.has_room, words.first_chunk::<{ nd::PLAIN_WORDS }>()) {
        (false, Some(words)) => packet.write(frame.network, *words),
        _ => packet.write(frame.network, words),
    };
    match written.and_then(|()| packet.write(0, [to, port.mac])) {
        Some(()) => Verdict::NdAnswered,
        None => Verdict::Malformed,
    }
}

/// Ethernet's address of ff02::1 (RFC 2464, section 7).
const ALL_NODES: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];

/// An advertisement: the subscriber is there. The kernel hears it on untagged lines, where it may have asked.
#[inline(always)]
fn advertised(context: &Context, frame: &Frame, neighbour: &Neighbour, sender: &Sender, now: u64) -> Verdict {
    let verdict = if sender.tags == VlanTags::NONE { Verdict::PassedNd } else { Verdict::NeighbourAlive };
    if neighbour.target.is_link_local() {
        if locals::get6(neighbour.target).is_some() {
            return refuse(sender, neighbour.target, Verdict::NdSpoofed, now);
        }
        return tell(context, frame, sender, PuntReason::Advertisement, verdict, now);
    }
    match routes6::admit(neighbour.target, sender, now) {
        Ok(live) => {
            live.note_alive(now);
            verdict
        }
        Err(_) => refuse(sender, neighbour.target, Verdict::NdSpoofed, now),
    }
}

/// The sender's address must be its own; then the subscriber is there. A probe has none yet, and link-local addresses are
/// given by nobody: but ours are ours.
#[inline(always)]
fn is_own(source: Ip6, sender: &Sender, now: u64) -> bool {
    if source == Ip6::UNSPECIFIED {
        return true;
    }
    if source.is_link_local() {
        return !locals::contains6(source);
    }
    match routes6::admit(source, sender, now) {
        Ok(live) => {
            live.note_alive(now);
            true
        }
        Err(_) => false,
    }
}

/// Whether the program answers for another subscriber. Nobody is told that their own address is taken.
#[inline(always)]
fn is_proxied(target: Ip6, sender: &Sender, now: u64) -> bool {
    settings::get().is_some_and(|settings| settings.flags & Settings::PROXY_ND != 0)
        && routes6::find(target)
            .is_some_and(|route| crate::routes::check(route, sender).is_err() && routes6::live(route, now).is_ok())
}

/// Copies the frame to user space, as long as nobody overdoes it.
#[inline(always)]
fn tell(context: &Context, frame: &Frame, sender: &Sender, reason: PuntReason, verdict: Verdict, now: u64) -> Verdict {
    if let Err(verdict) = buckets::take_all(sender, || false, now) {
        return verdict;
    }
    if !punt::fits(context) {
        return Verdict::Malformed;
    }
    if punt::copy(context, frame, reason, now) { verdict } else { Verdict::PuntFull }
}

/// Drops what a subscriber may not say; another member may.
#[inline(always)]
fn refuse(sender: &Sender, address: Ip6, verdict: Verdict, now: u64) -> Verdict {
    if cluster::is_peer(sender.ifindex, sender.mac) {
        return Verdict::Foreign;
    }
    events::tell6(sender, address, verdict, now);
    verdict
}
