//! What subscribers are told of their router: an answer to each solicitation, and a reminder once in a while.
//!
//! Each is told alone, on its line and at its MAC: what one hears must not depend on who shares the line.

use gateway_core::line::{Line, PortId};
use gateway_core::time::{Duration, Instant};
use gateway_core::wire::router::{Advertisement, Solicitation};

use super::settings::shared_mac;
use super::{Gateway, HOUSEKEEPING};
use crate::config::Dhcpv6;
use crate::io::raw::Frame;

/// Subscribers told in one housekeeping, at least.
const FEW: u64 = 16;

/// Where a round of reminders has got to.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Reminders {
    /// When the round began.
    began: Instant,
    /// The slot to go on from; `None` between two rounds.
    from: Option<u32>,
}

impl Reminders {
    /// From where and how many to remind now, of `leases` in all.
    fn due(&mut self, every: Duration, leases: u64, now: Instant) -> Option<(u32, usize)> {
        if self.from.is_none() && now.since(self.began) >= every {
            *self = Self { began: now, from: Some(0) };
        }
        // A round takes half of the time there is for it.
        let turns = (every.as_secs() / 2 / HOUSEKEEPING.as_secs()).max(1);
        Some((self.from?, leases.div_ceil(turns).max(FEW) as usize))
    }
}

impl Gateway {
    /// A subscriber asks who its router is.
    pub(super) fn solicited(&mut self, port: PortId, frame: &[u8], now: Instant) {
        let (Some(six), Ok(asked)) = (&self.config.dhcpv6, Solicitation::parse(frame)) else { return };
        let line = Line { port, tags: asked.tags };
        let answer = Advertisement {
            // RFC 4861 section 6.2.6: to its address, if it has one.
            destination: (!asked.source.is_unspecified()).then_some(asked.source),
            ..self.advertisement(six, line, asked.source_mac)
        };
        self.advertise(&[(line, answer)], now);
    }

    /// Reminds some of those who have leases. Each is told once in `advertise_every`, so that it keeps its router. In a
    /// cluster the master does it, as it answers solicitations: where it forwards, the router's MAC is its own.
    pub(super) fn remind(&mut self, now: Instant) {
        if !self.answers_for_all() {
            return;
        }
        let Some((six, every)) = self.config.dhcpv6.as_ref().and_then(|six| Some((six, six.advertise_every?))) else {
            return;
        };
        let Some((from, most)) = self.reminders.due(every, self.node.lease_count6(), now) else { return };
        let (subscribers, next) = self.node.subscribers6(from, most);
        let told =
            subscribers.into_iter().map(|(line, mac)| (line, self.advertisement(six, line, mac))).collect::<Vec<_>>();
        self.reminders.from = next;
        self.advertise(&told, now);
    }

    fn advertisement(&self, six: &Dhcpv6, line: Line, mac: [u8; 6]) -> Advertisement {
        let source_mac = self.ports.link(line.port).map_or([0; 6], |link| link.mac);
        let (tags, lifetime) = (line.tags, six.router_lifetime);
        let shared = self.config.cluster.as_ref().map(|cluster| shared_mac(cluster.delivery));
        let router_mac = shared.filter(|mac| *mac != [0; 6]).unwrap_or(source_mac);
        let source = self.config.link_local(source_mac);
        Advertisement { source_mac, source, router_mac, destination_mac: mac, tags, destination: None, lifetime }
    }

    fn advertise(&mut self, told: &[(Line, Advertisement)], now: Instant) {
        let frame = |(line, advertisement): &(Line, Advertisement)| {
            let ifindex = self.ports.link(line.port)?.ifindex;
            Some(Frame { ifindex, octets: advertisement.build() })
        };
        let frames: Vec<Frame> = told.iter().filter_map(frame).collect();
        self.outbox.send_frames(&frames, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everybody within half of the time, and then nobody until it is over.
    #[test]
    fn rounds() {
        let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
        let mut reminders = Reminders::default();
        let every = Duration::from_secs(600);
        assert_eq!(reminders.due(every, 90_000, at(599)), None);
        assert_eq!(reminders.due(every, 90_000, at(600)), Some((0, 300)));
        reminders.from = Some(300);
        assert_eq!(reminders.due(every, 5, at(601)), Some((300, 16)));
        reminders.from = None;
        assert_eq!(reminders.due(every, 5, at(1199)), None);
        assert_eq!(reminders.due(every, 5, at(1200)), Some((0, 16)));
    }
}
