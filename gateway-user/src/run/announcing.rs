//! Telling tagged lines which MAC the shared addresses have now, where that is the master's own (CL-19, CL-27, H-CL-12).
//!
//! The cluster's thread announces on each port without tags, at once. What hears only frames with its own tags is told here:
//! one announcement for each line with subscribers, so many at a time that a round of all never fills a port.

use std::collections::HashSet;
use std::net::IpAddr;

use gateway_common::vlan::VlanTags;
use gateway_core::line::Line;
use gateway_core::time::{Duration, Instant};

use super::Gateway;
use crate::io::announce;

/// Sessions looked at in one turn.
const AT_ONCE: usize = 128;
/// Time between two turns: a hundred thousand sessions take three seconds.
const PACE: Duration = Duration::from_millis(4);

/// Where a round has got to.
#[derive(Default, Debug)]
pub(super) struct Announcing {
    /// Present while a round is under way.
    round: Option<Round>,
    /// Another follows it: what changed meanwhile must be told as well, and frames may be lost.
    again: bool,
}

#[derive(Debug)]
struct Round {
    due: Instant,
    from: u64,
    /// Lines that were told in this round.
    told: HashSet<Line>,
}

impl Round {
    fn new(now: Instant) -> Self {
        Self { due: now, from: 0, told: HashSet::new() }
    }
}

impl Announcing {
    /// The addresses are announced: on tagged lines, too. Rounds never overlap; however often this is said during one,
    /// one more follows.
    pub(super) fn begin(&mut self, now: Instant) {
        match self.round {
            Some(_) => self.again = true,
            None => self.round = Some(Round::new(now)),
        }
    }

    /// Another member speaks for the addresses.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.round.as_ref().map(|round| round.due)
    }

    /// The lines to be told now; `lines` pages through those of sessions, as [`gateway_core::node::Node::lines`] does.
    fn turn(&mut self, lines: impl FnOnce(u64, usize) -> (Vec<Line>, Option<u64>), now: Instant) -> Vec<Line> {
        let Some(round) = self.round.as_mut().filter(|round| round.due <= now) else { return Vec::new() };
        let (mut found, next) = lines(round.from, AT_ONCE);
        found.retain(|line| line.tags != VlanTags::NONE && round.told.insert(*line));
        match next {
            Some(from) => (round.from, round.due) = (from, now + PACE),
            None => self.round = std::mem::take(&mut self.again).then(|| Round::new(now + PACE)),
        }
        found
    }
}

impl Gateway {
    /// Announces the shared addresses on the tagged lines whose turn it is.
    pub(super) fn announce_on_lines(&mut self, now: Instant) {
        if self.announcing.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        if !self.answers_for_all() {
            return self.announcing.end();
        }
        let node = &self.node;
        let lines = self.announcing.turn(|from, max| node.lines(from, max), now);
        let mut frames = Vec::new();
        for line in lines {
            let Some(link) = self.ports.link(line.port) else { continue };
            // A host has no reason to know the link-address: it is told no prefix that this would be of.
            let addresses = self.config.shared_on(line.port).into_iter();
            let addresses =
                addresses.filter(|address| !matches!(address, IpAddr::V6(six) if !six.is_unicast_link_local()));
            frames.extend(addresses.map(|to| announce::at(link.ifindex, line.tags, link.mac, link.mac, to)));
        }
        self.outbox.send_frames(&frames, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_common::vlan::VlanTag;
    use gateway_core::line::PortId;

    fn line(port: u16, vid: u16) -> Line {
        let outer = if vid == 0 { VlanTag::default() } else { VlanTag { tpid: 0x8100, vid } };
        Line { port: PortId(port), tags: VlanTags { outer, ..VlanTags::NONE } }
    }

    fn at(milliseconds: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(milliseconds)
    }

    /// Runs to the end; the lines of each turn, and when that was.
    fn run(announcing: &mut Announcing, lines: &[Line]) -> Vec<(Instant, Vec<Line>)> {
        let mut turns = Vec::new();
        while let Some(due) = announcing.poll_timeout() {
            assert_eq!(announcing.turn(|_, _| unreachable!("it is too early"), Instant::ZERO), []);
            let page = |from: u64, max: usize| {
                let end = lines.len().min(from as usize + max);
                (lines[from as usize..end].to_vec(), (end < lines.len()).then_some(end as u64))
            };
            turns.push((due, announcing.turn(page, due)));
            assert!(turns.len() < 1000);
        }
        turns
    }

    /// CL-19, CL-27, H-CL-12: every line with tags once in a round, however many subscribers share it, at a bounded pace;
    /// untagged ones are told elsewhere.
    #[test]
    fn a_round_is_paced_and_tells_each_line_once() {
        let mut announcing = Announcing::default();
        assert_eq!(announcing.poll_timeout(), None);
        let mut lines: Vec<_> = (0..1000).map(|n| line(n % 2, 1 + n / 4)).collect();
        lines.extend([line(0, 0), line(1, 0)]);
        announcing.begin(at(10));
        let turns = run(&mut announcing, &lines);
        assert_eq!((turns.len(), turns[0].0, turns[7].0), (8, at(10), at(38)));
        assert!(turns.iter().all(|(_, told)| told.len() <= AT_ONCE));
        let told: Vec<_> = turns.into_iter().flat_map(|(_, told)| told).collect();
        let distinct: HashSet<_> = lines.iter().filter(|line| line.tags != VlanTags::NONE).copied().collect();
        assert_eq!((told.len(), told.into_iter().collect::<HashSet<_>>()), (500, distinct));
    }

    /// Whatever is said during a round, one more follows; and none once another member is master.
    #[test]
    fn one_more_follows() {
        let lines = [line(0, 7), line(0, 8)];
        let mut announcing = Announcing::default();
        (0..4).for_each(|_| announcing.begin(at(10)));
        let told: Vec<_> = run(&mut announcing, &lines).into_iter().map(|(_, told)| told).collect();
        assert_eq!(told, [lines.to_vec(), lines.to_vec()]);
        announcing.begin(at(500));
        announcing.begin(at(500));
        announcing.end();
        assert_eq!(announcing.poll_timeout(), None);
    }
}
