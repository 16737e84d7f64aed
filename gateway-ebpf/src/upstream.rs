//! The program on ports toward servers and the internet.

use gateway_common::Ip4;
use gateway_common::punt::PuntReason;
use gateway_common::unit::UnitKey;
use gateway_common::verdict::{Program, Verdict};

use crate::classify::{self, Kind};
use crate::context::Context;
use crate::packet::Packet;
use crate::parse::dhcp::BOOTREPLY;
use crate::parse::ethernet::{self, ARP, Frame, IPV4};
use crate::parse::ipv4::Ipv4;
use crate::{arp, clock, forward, locals, punt, routes, sctp};

/// What becomes of a frame from the network that is ours, and not IPv6.
#[inline(always)]
pub(crate) fn decide(context: &Context) -> Verdict {
    let packet = context.packet();
    let Some(frame) = ethernet::parse(&packet) else { return Verdict::Malformed };
    match frame.ethertype {
        IPV4 => decide_ipv4(context, &packet, &frame),
        ARP => arp::from_network(context, &packet, &frame),
        _ => Verdict::PassedOther,
    }
}

#[inline(always)]
fn decide_ipv4(context: &Context, packet: &Packet, frame: &Frame) -> Verdict {
    // Its unit was looked at before.
    let classified = classify::ipv4(packet, frame, Ip4::UNSPECIFIED, &UnitKey::NONE);
    let Some(classified) = classified else { return Verdict::Malformed };
    let ip = classified.ip;
    match classified.kind {
        Kind::ToServer(dhcp) if dhcp.op == BOOTREPLY && locals::is_relays(ip.destination) => {
            from_server(context, frame)
        }
        Kind::ToClient(_) => to_subscriber(context, frame, &ip, true),
        // A request is for a DHCP server on this host, and so is what another server says to it; fragments are put together
        // by the kernel.
        Kind::ToServer(_) | Kind::ToClientPort | Kind::DhcpFragment | Kind::Data => {
            to_subscriber(context, frame, &ip, false)
        }
    }
}

/// A server's message to the relay.
#[inline(always)]
fn from_server(context: &Context, frame: &Frame) -> Verdict {
    if !punt::fits(context) {
        // The relay's socket takes what no record holds.
        return Verdict::PassedLocal;
    }
    if punt::copy(context, frame, PuntReason::Server, clock::now()) { Verdict::DhcpServer } else { Verdict::PuntFull }
}

/// Down to a subscriber by its access route; what is for nobody behind us is the kernel's. `snoop`: the relay gets a
/// copy of what a server tells a client past it.
#[inline(always)]
fn to_subscriber(context: &Context, frame: &Frame, ip: &Ipv4, snoop: bool) -> Verdict {
    let Some(route) = routes::find(ip.destination) else {
        return if locals::contains(ip.destination) { Verdict::PassedLocal } else { Verdict::PassedOther };
    };
    let now = if snoop { clock::now() } else { clock::this_tick() };
    let to = match routes::live(route, now) {
        Ok(to) => to,
        Err(verdict) => return verdict,
    };
    sctp::count(context, Program::Upstream, ip);
    if snoop && punt::fits(context) {
        let _ = punt::copy(context, frame, PuntReason::ServerSnoop, now);
    }
    forward::down(context, frame, ip, &to, Verdict::ForwardedDown)
}
