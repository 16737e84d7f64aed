//! IPv6 on ports toward servers and the internet.

use gateway_common::punt::PuntReason;
use gateway_common::settings::Settings;
use gateway_common::verdict::{Program, Verdict};

use crate::context::Context;
use crate::nd::Discovery;
use crate::parse::dhcp::v6;
use crate::parse::ethernet::{self, Frame};
use crate::parse::ipv6::{self, Ipv6, Kind};
use crate::{clock, forward, kind, locals, nd, punt, routes6, sctp, settings};

/// What becomes of an IPv6 packet from the network that is ours.
#[inline(always)]
pub(crate) fn decide(context: &Context) -> Verdict {
    let packet = context.packet();
    let Some(frame) = ethernet::parse(&packet) else { return Verdict::Malformed };
    let Some(ip) = ipv6::parse(&packet, frame.network) else { return Verdict::Malformed };
    let kind = kind::of(context, frame.network);
    if kind == Kind::MALFORMED {
        return Verdict::Malformed;
    }
    let is_served = settings::get().is_some_and(|settings| settings.flags & Settings::IPV6 != 0);
    if let Some((octet, is_plain)) = kind.discovery() {
        let discovery = Discovery { context, frame: &frame, ip: &ip, kind: octet, hidden: !is_plain };
        return if is_served { nd::from_network(&discovery) } else { Verdict::PassedNd };
    }
    // What is of one link is the kernel's, as is all while nothing is served.
    if !is_served || ip.destination.is_multicast() {
        return Verdict::PassedOther;
    }
    if kind.to_server().is_some_and(v6::is_of_server) && locals::contains6(ip.destination) {
        return from_server(context, &frame);
    }
    to_subscriber(context, &frame, &ip, kind)
}

/// A server's message to the relay.
#[inline(always)]
fn from_server(context: &Context, frame: &Frame) -> Verdict {
    if !punt::fits(context) {
        // The relay's socket takes what no record holds.
        return Verdict::PassedLocal;
    }
    if punt::copy(context, frame, PuntReason::Server6, clock::now()) { Verdict::Dhcp6Server } else { Verdict::PuntFull }
}

/// Down to a subscriber by its access route; what is for nobody behind us is the kernel's.
#[inline(always)]
fn to_subscriber(context: &Context, frame: &Frame, ip: &Ipv6, kind: Kind) -> Verdict {
    let route = if ip.source.is_link_local() { None } else { routes6::find(ip.destination) };
    let Some(route) = route else {
        return if locals::contains6(ip.destination) { Verdict::PassedLocal } else { Verdict::PassedOther };
    };
    match routes6::live(route, clock::this_tick()) {
        Ok(to) => {
            if let Some(at) = kind.sctp() {
                sctp::count6(context, Program::Upstream, at, frame.network + ip.total_len as usize);
            }
            forward::down(context, frame, ip, &to, Verdict::ForwardedDown)
        }
        Err(verdict) => verdict,
    }
}
