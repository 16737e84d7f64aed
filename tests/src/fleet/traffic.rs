//! Numbered datagrams: which came back, which came twice, and which came to somebody else.

use core::time::Duration;
use std::collections::HashMap;

use gateway_core::time::Instant;

const MAGIC: [u8; 4] = *b"GWFL";
/// Lateness that is made up for.
const LATE: Duration = Duration::from_millis(10);

/// Traffic to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrafficPlan {
    /// Datagrams per second, of the whole fleet together, in turn.
    pub rate: u32,
    /// For how long.
    pub duration: Duration,
    /// Octets of UDP payload, at least [`Datagram::LEAST`].
    pub size: usize,
}

/// What became of the datagrams.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TrafficReport {
    /// CPEs that sent.
    pub senders: u32,
    /// Datagrams sent.
    pub sent: u64,
    /// That came back to their sender, none counted twice.
    pub returned: u64,
    /// That came back once more.
    pub duplicates: u64,
    /// That reached another CPE than the one that sent them, or one with the wrong tags.
    pub misdelivered: u64,
    /// CPEs that sent and heard nothing at all.
    pub silent: u32,
    /// The most that one CPE's flow has lost and got twice, together.
    pub worst: u64,
    /// From the first datagram sent to the last one that came back.
    pub took: Duration,
}

impl TrafficReport {
    /// Datagrams that did not come back.
    pub fn lost(&self) -> u64 {
        self.sent - self.returned
    }
}

/// Payload of a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Datagram {
    /// Tells runs apart.
    pub(super) run: u32,
    /// Number of the CPE.
    pub(super) cpe: u32,
    /// Number of the datagram in the run.
    pub(super) sequence: u64,
}

impl Datagram {
    /// Octets it takes.
    pub(super) const LEAST: usize = 20;

    /// The payload, filled up to `size`.
    pub(super) fn payload(&self, size: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(size.max(Self::LEAST));
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.run.to_be_bytes());
        out.extend_from_slice(&self.cpe.to_be_bytes());
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.resize(size.max(Self::LEAST), 0);
        out
    }

    /// Reads one; `None` when it is none of ours.
    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        let (magic, rest) = payload.split_first_chunk::<4>()?;
        let (run, rest) = rest.split_first_chunk()?;
        let (cpe, rest) = rest.split_first_chunk()?;
        let sequence = u64::from_be_bytes(*rest.first_chunk()?);
        (*magic == MAGIC).then(|| Self { run: u32::from_be_bytes(*run), cpe: u32::from_be_bytes(*cpe), sequence })
    }
}

/// A run of traffic: says whose turn it is, and takes note of what comes back.
#[derive(Debug)]
pub(super) struct Run {
    number: u32,
    plan: TrafficPlan,
    began: Instant,
    /// How far the schedule was moved because the sender was late.
    late: Duration,
    senders: Vec<u32>,
    /// Bit `sequence`: came back.
    seen: Vec<u64>,
    heard: HashMap<u32, u64>,
    /// What came once more, by CPE.
    doubled: HashMap<u32, u64>,
    report: TrafficReport,
}

impl Run {
    /// `senders` are numbers of CPEs; each sends in turn.
    pub(super) fn new(number: u32, plan: TrafficPlan, senders: Vec<u32>, now: Instant) -> Self {
        let report = TrafficReport { senders: senders.len() as u32, ..TrafficReport::default() };
        Self {
            number,
            plan,
            began: now,
            late: Duration::ZERO,
            senders,
            seen: Vec::new(),
            heard: HashMap::new(),
            doubled: HashMap::new(),
            report,
        }
    }

    /// When the next datagram is due; none when the run is over.
    pub(super) fn due(&self) -> Option<Instant> {
        let at =
            Duration::from_nanos(self.report.sent.saturating_mul(1_000_000_000) / u64::from(self.plan.rate.max(1)));
        (!self.senders.is_empty() && at < self.plan.duration).then(|| self.began + self.late + at)
    }

    /// The next datagram. A sender that the host has held up does not catch up in a burst, which would overflow the
    /// queue of a veth: the schedule moves instead.
    pub(super) fn next(&mut self, now: Instant) -> Datagram {
        if let Some(due) = self.due() {
            self.late += now.since(due).saturating_sub(LATE);
        }
        let sequence = self.report.sent;
        self.report.sent += 1;
        let turn = (sequence % self.senders.len() as u64) as usize; // `due` was there, so there are senders
        Datagram { run: self.number, cpe: self.senders[turn], sequence }
    }

    /// Which of its ways of sending a CPE takes next, of any number of ways: each CPE takes one after the other, and those that send
    /// one after the other take different ones.
    pub(super) fn way(&self, datagram: &Datagram) -> u64 {
        let count = self.senders.len().max(1) as u64;
        datagram.sequence / count + datagram.sequence % count
    }

    /// Octets of a payload.
    pub(super) fn size(&self) -> usize {
        self.plan.size
    }

    /// A datagram came back to CPE `cpe`, on its line or not.
    pub(super) fn heard(&mut self, datagram: Datagram, cpe: u32, on_its_line: bool, now: Instant) {
        if datagram.run != self.number || datagram.sequence >= self.report.sent {
            return;
        }
        if datagram.cpe != cpe || !on_its_line {
            self.report.misdelivered += 1;
            return;
        }
        let (word, bit) = ((datagram.sequence / 64) as usize, 1 << (datagram.sequence % 64));
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        if self.seen[word] & bit != 0 {
            self.report.duplicates += 1;
            *self.doubled.entry(cpe).or_default() += 1;
            return;
        }
        self.seen[word] |= bit;
        self.report.returned += 1;
        self.report.took = now.since(self.began);
        *self.heard.entry(cpe).or_default() += 1;
    }

    /// What is known so far.
    pub(super) fn report(&self) -> TrafficReport {
        let sent = self.report.senders.min(u32::try_from(self.report.sent).unwrap_or(u32::MAX));
        let silent = sent - self.heard.len() as u32;
        TrafficReport { senders: sent, silent, worst: self.worst(), ..self.report }
    }

    fn worst(&self) -> u64 {
        let count = self.senders.len() as u64;
        let of = |(turn, cpe): (u64, &u32)| {
            let sent = self.report.sent / count + u64::from(turn < self.report.sent % count);
            let of_cpe = |all: &HashMap<u32, u64>| all.get(cpe).copied().unwrap_or_default();
            sent - of_cpe(&self.heard) + of_cpe(&self.doubled)
        };
        (0..).zip(&self.senders).map(of).max().unwrap_or_default()
    }

    /// Everything was sent, and has come back or had `grace` to.
    pub(super) fn is_over(&self, now: Instant, grace: Duration) -> bool {
        let all_back = self.report.returned == self.report.sent;
        self.due().is_none() && (all_back || now >= self.began + self.late + self.plan.duration + grace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    /// A sender that was held up for half a second sends the rest at the same pace, not in a burst.
    #[test]
    fn lateness_moves_the_schedule() {
        let plan = TrafficPlan { rate: 100, duration: Duration::from_secs(1), size: 64 };
        let mut run = Run::new(1, plan, vec![0], at(0));
        run.next(at(500));
        let mut burst = 1;
        while run.due().is_some_and(|due| due <= at(500)) {
            run.next(at(500));
            burst += 1;
        }
        assert!(burst <= 2, "{burst} datagrams at once");
        assert_eq!(run.due(), Some(at(510)));
    }

    /// Whoever speaks both versions of IP uses each of its leases, however many there are that do.
    #[test]
    fn every_way() {
        let plan = TrafficPlan { rate: 1000, duration: Duration::from_secs(1), size: 64 };
        for count in 1..=12 {
            let mut run = Run::new(1, plan, (0..count).collect(), at(0));
            let mut ways = vec![Vec::new(); count as usize];
            for _ in 0..3 * count {
                let datagram = run.next(at(0));
                ways[datagram.cpe as usize].push(run.way(&datagram) % 3);
            }
            for mut ways in ways {
                ways.sort_unstable();
                assert_eq!(ways, [0, 1, 2], "of {count}");
            }
        }
    }

    /// Ten per second for a second from three senders: when, who, and what is made of what comes back.
    #[test]
    fn a_run() {
        let plan = TrafficPlan { rate: 10, duration: Duration::from_secs(1), size: 64 };
        let mut run = Run::new(3, plan, vec![5, 6, 7], at(0));
        let mut sent = Vec::new();
        while let Some(due) = run.due() {
            assert_eq!(due, at(100 * sent.len() as u64));
            sent.push(run.next(due));
        }
        assert_eq!(sent.iter().map(|datagram| datagram.cpe).collect::<Vec<_>>(), [5, 6, 7, 5, 6, 7, 5, 6, 7, 5]);
        for datagram in &sent[..8] {
            if datagram.cpe != 7 {
                run.heard(*datagram, datagram.cpe, true, at(1000));
            }
        }
        run.heard(sent[0], 5, true, at(1001)); // twice
        run.heard(sent[2], 5, true, at(1001)); // 7's
        run.heard(sent[9], 5, false, at(1001)); // wrong tags
        run.heard(Datagram { run: 2, ..sent[9] }, 5, true, at(1001)); // of the run before
        run.heard(Datagram { sequence: 10, ..sent[9] }, 5, true, at(1001)); // never sent
        let report = run.report();
        assert_eq!((report.senders, report.sent, report.returned, report.lost()), (3, 10, 6, 4));
        assert_eq!((report.duplicates, report.misdelivered, report.silent), (1, 2, 1));
        assert_eq!(report.worst, 3, "7 sent three and heard none; 5 lost one of four, and heard another twice");
        assert!(!run.is_over(at(1100), Duration::from_millis(200)));
        assert!(run.is_over(at(1200), Duration::from_millis(200)));
    }

    /// A payload is read back, and nothing else is taken for one.
    #[test]
    fn payload() {
        let datagram = Datagram { run: 1, cpe: 2, sequence: 3 };
        assert_eq!(Datagram::read(&datagram.payload(100)), Some(datagram));
        assert_eq!(datagram.payload(0).len(), Datagram::LEAST);
        assert!((0..Datagram::LEAST).all(|cut| Datagram::read(&datagram.payload(0)[..cut]).is_none()));
        assert_eq!(Datagram::read(&[0; 20]), None);
    }
}
