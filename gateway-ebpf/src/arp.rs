//! ARP on access ports: nobody claims an address that is not theirs, and tagged lines, for which the kernel has no
//! interface, get their answers here.

use gateway_common::port::Port;
use gateway_common::settings::Settings;
use gateway_common::verdict::Verdict;
use gateway_common::vlan::VlanTags;

use crate::packet::Packet;
use crate::parse::arp::{self, Arp, REQUEST};
use crate::parse::ethernet::Frame;
use crate::sender::Sender;
use crate::{events, locals, routes, settings};

/// Decides on an ARP packet from a subscriber.
#[inline(always)]
pub(crate) fn decide(packet: &Packet, frame: &Frame, sender: &Sender, port: &Port, now: u64) -> Verdict {
    let Some(arp) = arp::parse(packet, frame) else { return Verdict::Malformed };
    if !is_honest(&arp, sender, now) {
        events::tell(sender, arp.sender, Verdict::ArpSpoofed, now);
        return Verdict::ArpSpoofed;
    }
    if arp.operation != REQUEST || !is_for_us(&arp, frame, sender, now) {
        return Verdict::PassedArp;
    }
    let answered =
        packet.write(0, [sender.mac, port.mac]).and_then(|()| packet.write(frame.network, arp::answer(&arp, port.mac)));
    match answered {
        Some(()) => Verdict::ArpAnswered,
        None => Verdict::Malformed,
    }
}

/// The sender's address must be its own. A probe has none yet.
#[inline(always)]
fn is_honest(arp: &Arp, sender: &Sender, now: u64) -> bool {
    arp.sender_mac == sender.mac && (arp.sender.0 == 0 || routes::admit(arp.sender, sender, now).is_ok())
}

/// Whether the program answers: on a tagged line for the gateway's own addresses, and anywhere for other subscribers
/// where proxy ARP is on. The kernel answers untagged lines for its own addresses.
#[inline(always)]
fn is_for_us(arp: &Arp, frame: &Frame, sender: &Sender, now: u64) -> bool {
    if locals::contains(arp.target) {
        return frame.tags != VlanTags::NONE;
    }
    let proxy = settings::get().is_some_and(|settings| settings.flags & Settings::PROXY_ARP != 0);
    // Nobody is told that their own address is taken, as a probe after the ACK would ask.
    proxy
        && routes::find(arp.target).is_some_and(|route| {
            let own = route.mac == sender.mac && route.tags == sender.tags && route.ifindex == sender.ifindex;
            !own && routes::live(route, now).is_ok()
        })
}
