//! The program on ports toward subscribers.

use gateway_common::Ip4;
use gateway_common::punt::PuntReason;
use gateway_common::unit::UnitKey;
use gateway_common::verdict::{Program, Verdict};

use crate::classify::{self, Kind};
use crate::context::Context;
use crate::packet::Packet;
use crate::parse::dhcp::{BOOTREQUEST, Dhcp};
use crate::parse::ethernet::{self, ARP, Frame, IPV4};
use crate::parse::ipv4::{self, Ipv4};
use crate::sender::Sender;
use crate::{arp, buckets, clock, cluster, events, forward, locals, ports, punt, routes, sctp};

/// What becomes of a frame from a subscriber that is not another member's, and not IPv6.
#[inline(always)]
pub(crate) fn decide(context: &Context) -> Verdict {
    let packet = context.packet();
    let Some(frame) = ethernet::parse(&packet) else { return Verdict::Malformed };
    match frame.ethertype {
        IPV4 => decide_ipv4(context, &packet, &frame),
        ARP => decide_arp(context, &packet, &frame),
        _ => Verdict::NotServed,
    }
}

#[inline(always)]
fn decide_ipv4(context: &Context, packet: &Packet, frame: &Frame) -> Verdict {
    // Its unit was looked at before.
    let classified = classify::ipv4(packet, frame, Ip4::UNSPECIFIED, &UnitKey::NONE);
    let Some(classified) = classified else { return Verdict::Malformed };
    let Some(sender) = sender(context, packet, frame) else { return Verdict::Malformed };
    let ip = classified.ip;
    if classified.kind == Kind::Data {
        return from_subscriber(context, frame, &ip, &sender, clock::this_tick(), false);
    }
    if ports::get(sender.ifindex).is_none() {
        return Verdict::UnknownPort;
    }
    match classified.kind {
        Kind::ToServer(dhcp) if dhcp.op == BOOTREQUEST => from_client(context, frame, &ip, &sender, &dhcp),
        // The other members answer their own clients here.
        Kind::ToServer(_) | Kind::ToClient(_) | Kind::ToClientPort if cluster::is_peer(sender.ifindex, sender.mac) => {
            Verdict::Foreign
        }
        Kind::ToServer(_) | Kind::ToClient(_) | Kind::ToClientPort => Verdict::RogueServer,
        Kind::DhcpFragment | Kind::Data => Verdict::DhcpFragment,
    }
}

#[inline(always)]
fn decide_arp(context: &Context, packet: &Packet, frame: &Frame) -> Verdict {
    let Some(sender) = sender(context, packet, frame) else { return Verdict::Malformed };
    match ports::get(sender.ifindex) {
        Some(port) => arp::from_subscriber(packet, frame, &sender, port, clock::now()),
        None => Verdict::UnknownPort,
    }
}

/// A client's DHCP message: its flood costs its sender only; then to the relay.
#[inline(always)]
fn from_client(context: &Context, frame: &Frame, ip: &Ipv4, sender: &Sender, dhcp: &Dhcp) -> Verdict {
    let now = clock::now();
    // A renewal or release by the holder of a valid session.
    let is_known = || dhcp.client != Ip4::UNSPECIFIED && routes::admit(dhcp.client, sender, now).is_ok();
    if let Err(verdict) = buckets::take_all(sender, is_known, now) {
        events::tell(sender, ip.source, verdict, now);
        return verdict;
    }
    if !punt::fits(context) {
        return Verdict::Malformed;
    }
    if ip.destination != Ip4::BROADCAST && !locals::contains(ip.destination) {
        // A renewal or release that goes to the server past the relay, which can't judge it: it may only speak of the
        // address and the client that it comes from, and those `from_subscriber` proves.
        if dhcp.client != ip.source || dhcp.mac != sender.mac {
            events::tell(sender, ip.source, Verdict::DhcpSpoofed, now);
            return Verdict::DhcpSpoofed;
        }
        return from_subscriber(context, frame, ip, sender, now, true);
    }
    if punt::copy(context, frame, PuntReason::Client, now) { Verdict::DhcpClient } else { Verdict::PuntFull }
}

/// A subscriber's packet: the sender must hold its source address; then across to another subscriber, to the gateway
/// itself, or up. `snoop`: the relay gets a copy.
#[inline(always)]
fn from_subscriber(context: &Context, frame: &Frame, ip: &Ipv4, sender: &Sender, now: u64, snoop: bool) -> Verdict {
    if ipv4::is_multicast(ip.destination) {
        return Verdict::Multicast;
    }
    let from = match routes::admit(ip.source, sender, now) {
        Ok(from) => from,
        // A port that has routes is known; only now is it worth asking.
        Err(_) if ports::get(sender.ifindex).is_none() => return Verdict::UnknownPort,
        Err(verdict) => {
            events::tell(sender, ip.source, verdict, now);
            return verdict;
        }
    };
    from.count_up(ip.total_len, now);
    sctp::count(context, Program::Access, ip);
    if snoop {
        // A copy that is lost costs the relay some knowledge, not the client its renewal.
        let _ = punt::copy(context, frame, PuntReason::ClientSnoop, now);
    }
    if let Some(route) = routes::find(ip.destination) {
        return match routes::live(route, now) {
            Ok(to) => forward::down(context, frame, ip, &to, Verdict::ForwardedAcross),
            Err(verdict) => verdict,
        };
    }
    forward::up(context, frame, ip)
}

#[inline(always)]
fn sender(context: &Context, packet: &Packet, frame: &Frame) -> Option<Sender> {
    Some(Sender { ifindex: context.ifindex(), tags: frame.tags, mac: ethernet::source(packet)? })
}
