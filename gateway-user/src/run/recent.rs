//! What happened lately: events and sampled drops, for `--watch`, `top` and `gateway drops`.

use std::collections::VecDeque;

use gateway_common::event::DropSample;
use gateway_common::verdict::Verdict;
use gateway_core::hex;
use gateway_core::node::Event;
use gateway_core::time::Instant;
use gateway_core::{release, v6};

use super::ports::Ports;
use crate::config::Config;
use crate::control::{Recent, protocol};

/// Samples that are kept, and events of each weight.
const KEPT: usize = 1024;

struct Sample {
    at: Instant,
    port: String,
    verdict: &'static str,
    length: u32,
    octets: Vec<u8>,
}

/// The last of each. What happens to single subscribers is kept apart, so that a storm of logins does not push out
/// the restart that began it; events of both weights have numbers from one sequence.
pub(super) struct Lately {
    cards: VecDeque<Numbered>,
    subscribers: VecDeque<Numbered>,
    number: u64,
    drops: Recent<Sample>,
}

struct Numbered {
    number: u64,
    at: Instant,
    what: What,
}

enum What {
    /// Put into words when somebody asks: there may be thousands a second.
    Node(Event),
    /// Of the cluster, or of the embedded server's subnets: kind and words.
    Told(&'static str, String),
}

impl Lately {
    pub(super) fn new() -> Self {
        Self { cards: VecDeque::new(), subscribers: VecDeque::new(), number: 0, drops: Recent::new(KEPT) }
    }

    pub(super) fn event(&mut self, event: Event, now: Instant) {
        let of_one = matches!(
            event,
            Event::LoggedIn { .. }
                | Event::LoggedOut { .. }
                | Event::LoggedIn6 { .. }
                | Event::LoggedOut6 { .. }
                | Event::Readdressed6 { .. }
                | Event::Refused { .. }
                | Event::Unavailable { .. }
                | Event::Noticed(_)
                | Event::Release(release::Event::Superseded { .. })
                // A release of a card has thousands of these.
                | Event::Release6(
                    v6::release::Event::Client { .. }
                        | v6::release::Event::Sent { .. }
                        | v6::release::Event::Answered { .. }
                )
        );
        self.keep(of_one, What::Node(event), now);
    }

    /// Something happened in the cluster.
    pub(super) fn cluster(&mut self, kind: &'static str, text: String, now: Instant) {
        self.keep(false, What::Told(kind, text), now);
    }

    /// Something happened to a subnet of the embedded server.
    pub(super) fn subnet(&mut self, event: gateway_server::subnets::SubnetEvent) {
        self.keep(false, What::Told(event.kind, event.text), event.at);
    }

    fn keep(&mut self, of_one: bool, what: What, now: Instant) {
        let kept = if of_one { &mut self.subscribers } else { &mut self.cards };
        if kept.len() == KEPT {
            kept.pop_front();
        }
        self.number += 1;
        kept.push_back(Numbered { number: self.number, at: now, what });
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

    /// Events with a number greater than `after`, the oldest first; without those of single subscribers when `brief`.
    pub(super) fn events(&self, after: u64, brief: bool, now: Instant, config: &Config) -> Vec<protocol::Event> {
        let subscribers = self.subscribers.iter().filter(|_| !brief);
        let kept = self.cards.iter().chain(subscribers).filter(|kept| kept.number > after);
        let row = |kept: &Numbered| {
            let (kind, text) = match &kept.what {
                What::Node(event) => (super::log::kind(event), super::words::of(config, event)),
                What::Told(kind, text) => (*kind, text.clone()),
            };
            let age_ms = now.since(kept.at).as_millis() as u64;
            protocol::Event { number: kept.number, age_ms, kind: kind.to_owned(), text }
        };
        let mut rows: Vec<_> = kept.map(row).collect();
        rows.sort_unstable_by_key(|row| row.number);
        rows
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

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;
    use gateway_core::fpc::Cause;
    use gateway_core::line::{FpcId, HardwareAddress};
    use gateway_core::scope::Epoch;
    use gateway_core::session::EndReason;
    use gateway_core::time::Duration;
    use gateway_core::wire::dhcp6::DuidBuf;

    const FILE: &str = "[gateway]\nid = \"a\"\n[[fpc]]\nname = \"fpc0\"\nports = [\"eth1\"]\n\
        giaddr = \"100.64.0.1\"\n[upstream]\nports = [\"eth0\"]\n[[server]]\naddress = \"192.0.2.2\"\n";

    #[test]
    fn a_storm_of_logouts_does_not_push_out_the_restart() {
        let config = crate::config::parse(std::path::Path::new("g.toml"), FILE).unwrap().gateway.unwrap();
        let mut lately = Lately::new();
        let at = Instant::from_nanos;
        let restart = Event::Restart { fpc: FpcId(0), cause: Cause::Operator, cutoff: None, sessions: 5000, leases: 1 };
        lately.event(restart, at(0));
        for number in 0..5000u32 {
            let hardware = HardwareAddress::ethernet([2, 0, 0, 0, 0, 1]);
            let logout = Event::LoggedOut { address: number.into(), hardware, reason: EndReason::LoggedOut };
            lately.event(logout, at(u64::from(number) * 1_000_000));
        }
        let events = lately.events(0, false, at(5_000_000_000), &config);
        assert_eq!(events.len(), 1 + KEPT);
        let restart = &events[0];
        assert_eq!(restart.text, "fpc0 restarts (operator): keeping 5,000 sessions and 1 IPv6 lease");
        assert_eq!((restart.number, restart.age_ms, restart.kind.as_str()), (1, 5000, "restart"));
        assert_eq!(events[KEPT].text, "02:00:00:00:00:01 logged out of 0.0.19.135: logged out");
        assert_eq!(lately.events(5000, false, at(5_000_000_000), &config).len(), 1);
        assert_eq!(lately.events(0, true, at(5_000_000_000), &config).len(), 1);
    }

    /// Nor do the messages of a DHCPv6 release, one by one or in batches, and what becomes of single clients in either version.
    #[test]
    fn nor_do_the_messages_of_a_release() {
        use v6::release::Event::{Answered, Client, Finished, Sent};
        let config = crate::config::parse(std::path::Path::new("g.toml"), FILE).unwrap().gateway.unwrap();
        let mut lately = Lately::new();
        let (fpc, at) = (FpcId(0), Instant::from_nanos(0));
        lately.event(Event::FpcLost { fpc }, at);
        let server = Ipv6Addr::LOCALHOST;
        let client = DuidBuf::link_layer([2, 0, 0, 0, 0, 1]);
        for xid in 0..2000 {
            let sent = Sent { server, xid, clients: 10, transmission: 1, individually: false };
            let answered = Answered { server, xid, released: 20, no_binding: 0, kept: 0 };
            let (cause, ending) = (v6::release::Cause::Restart, v6::release::Ending::Released);
            let single = Client { client: client.clone(), cause, ending };
            [sent, answered, single].into_iter().for_each(|event| lately.event(Event::Release6(event), at));
            let (address, server) = (Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST);
            let superseded = release::Event::Superseded { address, server, ending: release::Ending::Released };
            lately.event(Event::Release(superseded), at);
        }
        let (cutoff, took, retry_in) = (Epoch(7), Duration::ZERO, None);
        let done = Finished { fpc, cutoff, released: 1, no_binding: 0, kept: 0, silent: 0, took, retry_in };
        lately.event(Event::Release6(done), at);
        let brief = lately.events(0, true, at, &config);
        let kinds: Vec<_> = brief.iter().map(|event| event.number).collect();
        assert_eq!(kinds, [1, 8002], "the card's: that it was lost, and that its release is over");
        assert_eq!(lately.events(0, false, at, &config).len(), 2 + KEPT);
    }
}
