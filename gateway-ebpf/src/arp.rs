//! ARP: nobody claims an address that is not theirs; tagged lines, for which the kernel has no interface, get their
//! answers here; and for what the members of a cluster share the master alone answers, on every line (CL-48…50).

use gateway_common::cluster::Role;
use gateway_common::port::Port;
use gateway_common::settings::Settings;
use gateway_common::verdict::Verdict;
use gateway_common::vlan::VlanTags;

use crate::context::Context;
use crate::locals::Local;
use crate::packet::Packet;
use crate::parse::arp::{self, Arp, REQUEST};
use crate::parse::ethernet::{self, Frame};
use crate::sender::Sender;
use crate::{cluster, events, locals, ports, routes, settings};

/// Decides on an ARP packet from a subscriber.
#[inline(always)]
pub(crate) fn from_subscriber(packet: &Packet, frame: &Frame, sender: &Sender, port: &Port, now: u64) -> Verdict {
    let Some(arp) = arp::parse(packet, frame) else { return Verdict::Malformed };
    if !is_honest(&arp, sender, now) {
        if cluster::is_peer(sender.ifindex, sender.mac) {
            return Verdict::Foreign;
        }
        events::tell(sender, arp.sender, Verdict::ArpSpoofed, now);
        return Verdict::ArpSpoofed;
    }
    if arp.operation != REQUEST {
        return Verdict::PassedArp;
    }
    let Some(role) = cluster::role() else { return Verdict::PassedArp };
    let local = locals::get(arp.target);
    let ours = match local {
        // The kernel answers untagged lines for addresses that are its alone.
        Some(Local::Own) if frame.tags == VlanTags::NONE => return Verdict::PassedArp,
        Some(Local::Own) => true,
        Some(Local::Shared) => role.is_master(),
        None if role.is_member() && !role.is_master() => false,
        None if is_proxied(&arp, sender, now) => true,
        None => return Verdict::PassedArp,
    };
    if !ours {
        return Verdict::ArpNotMaster;
    }
    let mac = if local == Some(Local::Own) { port.mac } else { delivery_mac(role, port) };
    answer(packet, frame, &arp, sender.mac, port, mac)
}

/// Decides on an ARP packet from the network: all but requests for shared addresses is the kernel's.
#[inline(always)]
pub(crate) fn from_network(context: &Context, packet: &Packet, frame: &Frame) -> Verdict {
    let Some(arp) = arp::parse(packet, frame) else { return Verdict::PassedArp };
    let (Some(role), Some(source)) = (cluster::role(), ethernet::source(packet)) else { return Verdict::PassedArp };
    if arp.operation != REQUEST || locals::get(arp.target) != Some(Local::Shared) {
        return Verdict::PassedArp;
    }
    // Who announces the address, with itself as the target, asks nobody.
    if !role.is_master() || cluster::is_fenced() || arp.sender == arp.target {
        return Verdict::ArpNotMaster;
    }
    match ports::get(context.ifindex()) {
        Some(port) => answer(packet, frame, &arp, source, port, delivery_mac(role, port)),
        None => Verdict::PassedArp,
    }
}

/// The MAC by which the shared addresses are reached.
#[inline(always)]
pub(crate) fn delivery_mac(role: &Role, port: &Port) -> [u8; 6] {
    if role.shared_mac == [0; 6] { port.mac } else { role.shared_mac }
}

/// Turns the request into its answer. It comes from the port's own MAC also where it tells another, which no switch must
/// see as a source (H-CL-14).
#[inline(always)]
fn answer(packet: &Packet, frame: &Frame, arp: &Arp, to: [u8; 6], port: &Port, mac: [u8; 6]) -> Verdict {
    let answered = packet.write(0, [to, port.mac]).and_then(|()| packet.write(frame.network, arp::answer(arp, mac)));
    match answered {
        Some(()) => Verdict::ArpAnswered,
        None => Verdict::Malformed,
    }
}

/// The sender's address must be its own; then the subscriber is there, whatever it wants to know. A probe has none yet.
#[inline(always)]
fn is_honest(arp: &Arp, sender: &Sender, now: u64) -> bool {
    if arp.sender_mac != sender.mac {
        return false;
    }
    if arp.sender.0 == 0 {
        return true;
    }
    match routes::admit(arp.sender, sender, now) {
        Ok(live) => {
            live.note_alive(now);
            true
        }
        Err(_) => false,
    }
}

/// Whether the program answers for another subscriber. Nobody is told that their own address is taken, as a probe after
/// the ACK would ask.
#[inline(always)]
fn is_proxied(arp: &Arp, sender: &Sender, now: u64) -> bool {
    let proxy = settings::get().is_some_and(|settings| settings.flags & Settings::PROXY_ARP != 0);
    proxy
        && routes::find(arp.target).is_some_and(|route| {
            let own = route.mac == sender.mac && route.tags == sender.tags && route.ifindex == sender.ifindex;
            !own && routes::live(route, now).is_ok()
        })
}
