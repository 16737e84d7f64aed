//! IPv6 on ports toward subscribers.

use gateway_common::punt::PuntReason;
use gateway_common::settings::Settings;
use gateway_common::verdict::{Program, Verdict};

use crate::context::Context;
use crate::nd::Discovery;
use crate::parse::dhcp::v6;
use crate::parse::ethernet::{self, Frame};
use crate::parse::ipv6::{self, Ipv6, Kind};
use crate::sender::Sender;
use crate::{buckets, clock, cluster, events, forward, kind, locals, nd, ports, punt, routes, routes6, sctp, settings};

/// What becomes of an IPv6 packet from a subscriber that is not another member's.
#[inline(always)]
pub(crate) fn decide(context: &Context) -> Verdict {
    let packet = context.packet();
    let Some(frame) = ethernet::parse(&packet) else { return Verdict::Malformed };
    let Some(ip) = ipv6::parse(&packet, frame.network) else { return Verdict::Malformed };
    let Some(mac) = ethernet::source(&packet) else { return Verdict::Malformed };
    let sender = Sender { ifindex: context.ifindex(), tags: frame.tags, mac };
    let kind = kind::of(context, frame.network);
    if kind == Kind::MALFORMED {
        return Verdict::Malformed;
    }
    let is_served = settings::get().is_some_and(|settings| settings.flags & Settings::IPV6 != 0);
    if let Some((octet, is_plain)) = kind.discovery() {
        // The kernel of a gateway that does not serve IPv6 may do so itself.
        if !is_served && !nd::is_of_router(octet) {
            return Verdict::PassedNd;
        }
        let Some(port) = ports::get(sender.ifindex) else { return Verdict::UnknownPort };
        let discovery = Discovery { context, frame: &frame, ip: &ip, kind: octet, hidden: !is_plain };
        return nd::from_subscriber(&discovery, &sender, port);
    }
    if !is_served {
        return Verdict::Ipv6Unserved;
    }
    if let Some(octet) = kind.to_server() {
        return from_client(context, &frame, &ip, &sender, octet);
    }
    match kind {
        Kind::TO_CLIENT | Kind::TO_CLIENT_PORT => rogue_server(&sender),
        Kind::DHCP_FRAGMENT => Verdict::DhcpFragment,
        kind => from_subscriber(context, &frame, &ip, &sender, kind),
    }
}

/// What only a server says, unless it is the server of another member, which serves its own clients here.
#[inline(always)]
fn rogue_server(sender: &Sender) -> Verdict {
    if cluster::is_peer(sender.ifindex, sender.mac) { Verdict::Foreign } else { Verdict::RogueServer }
}

/// A client's message, or that of a relay below, which the relay judges: a flood costs its sender only.
#[inline(always)]
fn from_client(context: &Context, frame: &Frame, ip: &Ipv6, sender: &Sender, message: u8) -> Verdict {
    if v6::is_of_server(message) {
        return rogue_server(sender);
    }
    if ports::get(sender.ifindex).is_none() {
        return Verdict::UnknownPort;
    }
    let now = clock::now();
    // Only who speaks from an address of its own can be told from strangers on its line.
    let is_known = || !ip.source.is_link_local() && routes6::admit(ip.source, sender, now).is_ok();
    if let Err(verdict) = buckets::take_all(sender, is_known, now) {
        events::tell6(sender, ip.source, verdict, now);
        return verdict;
    }
    if !punt::fits(context) {
        return Verdict::Malformed;
    }
    if !ip.destination.is_multicast() && !locals::contains6(ip.destination) {
        if ip.source.is_link_local() || ip.destination.is_link_local() {
            return Verdict::LinkLocal;
        }
        // Past the relay, which judges it all the same, since nobody else can: what a client says of itself is at no
        // fixed place. Only what RFC 8415 has clients send so; a Release-request or a relayed message there speaks of
        // others (RR-41).
        let verdict = match routes6::admit(ip.source, sender, now) {
            Ok(_) if v6::is_unicast(message) => None,
            Ok(_) => Some(Verdict::DhcpSpoofed),
            Err(verdict) => Some(verdict),
        };
        if let Some(verdict) = verdict {
            events::tell6(sender, ip.source, verdict, now);
            return verdict;
        }
    }
    if punt::copy(context, frame, PuntReason::Client6, now) { Verdict::Dhcp6Client } else { Verdict::PuntFull }
}

/// A subscriber's packet: the sender must hold its source address, or the prefix it is of; then across to another
/// subscriber, to the gateway itself, or up.
#[inline(always)]
fn from_subscriber(context: &Context, frame: &Frame, ip: &Ipv6, sender: &Sender, kind: Kind) -> Verdict {
    if ip.destination.is_multicast() {
        return Verdict::Multicast;
    }
    if ip.source.is_link_local() {
        // Whoever is on the line may ask the gateway whether it is there; anything else takes a session.
        let is_local = kind == Kind::ICMP && locals::contains6(ip.destination);
        return if is_local { Verdict::PassedLocal } else { Verdict::LinkLocal };
    }
    let now = clock::this_tick();
    let from = match routes6::admit(ip.source, sender, now) {
        Ok(from) => from,
        // A port that has routes is known; only now is it worth asking.
        Err(_) if ports::get(sender.ifindex).is_none() => return Verdict::UnknownPort,
        Err(verdict) => {
            events::tell6(sender, ip.source, verdict, now);
            return verdict;
        }
    };
    from.count_up(ip.total_len, now);
    if let Some(at) = kind.sctp() {
        sctp::count6(context, Program::Access, at, frame.network + ip.total_len as usize);
    }
    if ip.destination.is_link_local() {
        return if locals::contains6(ip.destination) { Verdict::PassedLocal } else { Verdict::LinkLocal };
    }
    let Some(route) = routes6::find(ip.destination) else { return forward::up(context, frame, ip) };
    if routes::check(route, sender).is_ok() {
        return Verdict::OwnPrefix;
    }
    match routes6::live(route, now) {
        Ok(to) => forward::down(context, frame, ip, &to, Verdict::ForwardedAcross),
        Err(verdict) => verdict,
    }
}
