//! Events: what user space should hear of beside counters.

use aya_ebpf::macros::map;
use aya_ebpf::maps::RingBuf;
use gateway_common::Ip4;
use gateway_common::event::{Event, EventKind};
use gateway_common::maps::EVENT_RING_OCTETS;
use gateway_common::verdict::Verdict;

use crate::sender::Sender;
use crate::{buckets, settings};

#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(EVENT_RING_OCTETS, 0);

/// Tells what befell a packet of `sender`, unless too much was told about that one already.
#[inline(always)]
pub(crate) fn tell(sender: &Sender, address: Ip4, verdict: Verdict, now: u64) {
    let kind = match verdict {
        Verdict::NoSession => EventKind::UnknownSource,
        Verdict::Expired | Verdict::StaleEpoch => EventKind::Expired,
        Verdict::WrongMac | Verdict::WrongVlan | Verdict::WrongPort | Verdict::ArpSpoofed | Verdict::DhcpSpoofed => {
            EventKind::Spoofed
        }
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
        });
        record.submit(0);
    }
}
