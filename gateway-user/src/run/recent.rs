//! What happened lately: events and sampled drops, for `--watch`, `top` and `gateway drops`.

use gateway_common::event::DropSample;
use gateway_common::verdict::Verdict;
use gateway_core::node::Event;
use gateway_core::time::Instant;

use super::answers::hex;
use super::ports::Ports;
use crate::control::{Recent, protocol};

/// Events and samples that are kept.
const KEPT: usize = 1024;

struct Sample {
    at: Instant,
    port: String,
    verdict: &'static str,
    length: u32,
    octets: Vec<u8>,
}

/// The last of each.
pub(super) struct Lately {
    events: Recent<(Instant, Event)>,
    drops: Recent<Sample>,
}

impl Lately {
    pub(super) fn new() -> Self {
        Self { events: Recent::new(KEPT), drops: Recent::new(KEPT) }
    }

    pub(super) fn event(&mut self, event: Event, now: Instant) {
        self.events.push((now, event));
    }

    pub(super) fn drop_sample(&mut self, sample: &DropSample, ports: &Ports) {
        let known = ports.place_at(sample.ifindex).map(|place| ports.get(place).name.clone());
        self.drops.push(Sample {
            at: Instant::from_nanos(sample.time_ns),
            port: known.unwrap_or_else(|| format!("#{}", sample.ifindex)),
            verdict: Verdict::from_u32(sample.verdict).map_or("unknown", Verdict::name),
            length: sample.frame_len,
            octets: sample.octets.iter().take(sample.sample_len as usize).copied().collect(),
        });
    }

    /// Events with a number greater than `after`.
    pub(super) fn events(&self, after: u64, now: Instant) -> Vec<protocol::Event> {
        let row = |(number, (at, event)): (u64, &(Instant, Event))| protocol::Event {
            number,
            age_ms: now.since(*at).as_millis() as u64,
            kind: super::log::kind(event).to_owned(),
            text: event.to_string(),
        };
        self.events.after(after).map(row).collect()
    }

    /// Samples with a number greater than `after`.
    pub(super) fn drops(&self, after: u64, now: Instant) -> Vec<protocol::DropSample> {
        let row = |(number, sample): (u64, &Sample)| protocol::DropSample {
            number,
            age_ms: now.since(sample.at).as_millis() as u64,
            port: sample.port.clone(),
            verdict: sample.verdict.to_owned(),
            length: sample.length,
            octets: hex(&sample.octets),
        };
        self.drops.after(after).map(row).collect()
    }
}
