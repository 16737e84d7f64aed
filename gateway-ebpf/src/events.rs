//! Events: what user space should hear of beside counters.

use aya_ebpf::macros::map;
use aya_ebpf::maps::RingBuf;
use gateway_common::event::{Event, EventKind};
use gateway_common::maps::EVENT_RING_OCTETS;
use gateway_common::verdict::Verdict;
use gateway_common::{Ip4, Ip6};

use crate::sender::Sender;
use crate::{buckets, settings};

#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(EVENT_RING_OCTETS, 0);

/// Tells what befell a packet of `sender`, unless too much was told about that one already.
#[inline(always)]
pub(crate) fn tell(sender: &Sender, address: Ip4, verdict: Verdict, now: u64) {
    submit(sender, address, Ip6::UNSPECIFIED, verdict, now);
}

/// The same about an IPv6 packet, or about what neighbour discovery claimed.
#[inline(always)]
pub(crate) fn tell6(sender: &Sender, address: Ip6, verdict: Verdict, now: u64) {
    submit(sender, Ip4::UNSPECIFIED, address, verdict, now);
}

#[inline(always)]
fn submit(sender: &Sender, address: Ip4, address6: Ip6, verdict: Verdict, now: u64) {
    let kind = match verdict {
        Verdict::NoSession => EventKind::UnknownSource,
        Verdict::Expired | Verdict::StaleEpoch => EventKind::Expired,
        Verdict::WrongMac | Verdict::WrongVlan | Verdict::WrongPort => EventKind::Spoofed,
        Verdict::ArpSpoofed | Verdict::DhcpSpoofed | Verdict::NdSpoofed => EventKind::Spoofed,
        Verdict::RogueRouter => EventKind::RogueRouter,
        _ => EventKind::RateLimited,
    };
    let Some(settings) = settings::get() else { return };
    if !buckets::take(&sender.event(), &settings.event, now) {
        return;
    }
    if let Some(mut record) = EVENTS.reserve::<Event>(0) {
        record.write(Event {
            time_ns: now,
            kind: kind as u32,
            ifindex: sender.ifindex,
            address,
            verdict: verdict as u32,
            mac: sender.mac,
            reserved: 0,
            tags: sender.tags,
            address6,
        });
        record.submit(0);
    }
}
