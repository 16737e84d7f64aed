//! Moves of work units, gathered until they come to rest: a takeover is one line in the log, not hundreds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use gateway_common::unit::{UNITS, Unit};
use gateway_core::member::MemberId;
use gateway_core::time::{Duration, Instant};

use crate::cli::text::{counted, took};

/// Without a move for so long it is over.
const QUIET: Duration = Duration::from_millis(500);
/// A burst that does not end is told in parts.
const LONGEST: Duration = Duration::from_secs(10);

/// Who owns what, and what has changed since that was told.
#[derive(Debug)]
pub(in crate::run) struct Moves {
    owners: Vec<Option<MemberId>>,
    /// Owners before the burst, of units that it touched.
    before: BTreeMap<Unit, Option<MemberId>>,
    /// When it began and when the last one moved.
    when: Option<(Instant, Instant)>,
    /// Units that began without all changes of their former owner.
    incomplete: BTreeMap<MemberId, u64>,
}

/// A burst that is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::run) struct Burst {
    /// How many units went from whom to whom; those that came back are none.
    ways: BTreeMap<(Option<MemberId>, Option<MemberId>), u64>,
    /// From the first to the last.
    took: Duration,
    incomplete: BTreeMap<MemberId, u64>,
}

impl Moves {
    pub(in crate::run) fn new() -> Self {
        let owners = vec![None; UNITS as usize];
        Self { owners, before: BTreeMap::new(), when: None, incomplete: BTreeMap::new() }
    }

    /// Who owns these units now.
    pub(in crate::run) fn handle(&mut self, units: &[(Unit, Option<MemberId>)], now: Instant) {
        for (unit, owner) in units {
            let known = &mut self.owners[unit.index() as usize];
            if *known != *owner {
                self.before.entry(*unit).or_insert(*known);
                *known = *owner;
                self.touch(now);
            }
        }
    }

    /// Whoever owns any; `None` while one has no owner that is known.
    pub(in crate::run) fn owners(&self) -> Option<BTreeSet<MemberId>> {
        self.owners.iter().copied().collect()
    }

    /// A unit's new owner begins without all changes of this member.
    pub(in crate::run) fn handle_incomplete(&mut self, origin: MemberId, now: Instant) {
        *self.incomplete.entry(origin).or_default() += 1;
        self.touch(now);
    }

    fn touch(&mut self, now: Instant) {
        let (began, _) = self.when.unwrap_or((now, now));
        self.when = Some((began, now));
    }

    /// What is to be told by now, if it is over.
    pub(in crate::run) fn poll(&mut self, now: Instant) -> Option<Burst> {
        let (began, last) = self.when?;
        if now.since(last) < QUIET && now.since(began) < LONGEST {
            return None;
        }
        self.when = None;
        let mut ways = BTreeMap::new();
        for (unit, before) in std::mem::take(&mut self.before) {
            let after = self.owners[unit.index() as usize];
            if before != after {
                *ways.entry((before, after)).or_default() += 1;
            }
        }
        let incomplete = std::mem::take(&mut self.incomplete);
        let any = !ways.is_empty() || !incomplete.is_empty();
        any.then(|| Burst { ways, took: last.since(began), incomplete })
    }
}

impl Burst {
    /// `341 work units have another owner, within 0.2 s: 171 gw-b → gw-a, 170 gw-b → gw-c`
    pub(in crate::run) fn words(&self, name: impl Fn(MemberId) -> String) -> String {
        let all = self.ways.values().sum();
        let have = if all == 1 { "has" } else { "have" };
        let within = took(self.took.as_secs_f64());
        let mut text = format!("{} {have} another owner, within {within}", counted(all, "work unit"));
        let who = |member: Option<MemberId>| member.map_or_else(|| "nobody".to_owned(), &name);
        for (index, ((from, to), units)) in self.ways.iter().enumerate() {
            let _ = write!(text, "{} {units} {} → {}", if index == 0 { ":" } else { "," }, who(*from), who(*to));
        }
        for (origin, units) in &self.incomplete {
            let _ = write!(text, "; {} without all changes of {}", counted(*units, "unit"), name(*origin));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(number: u8) -> Option<MemberId> {
        MemberId::new(number)
    }

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    fn units(range: std::ops::Range<u16>, owner: u8) -> Vec<(Unit, Option<MemberId>)> {
        range.map(|unit| (Unit::new(unit).unwrap(), member(owner))).collect()
    }

    fn words(burst: &Burst) -> String {
        burst.words(|member| format!("gw-{}", char::from(b'a' - 1 + member.get())))
    }

    /// A takeover passes through nobody's hands, and is one line when it has come to rest.
    #[test]
    fn a_takeover_is_one_line() {
        let mut moves = Moves::new();
        moves.handle(&units(0..512, 1), at(0));
        moves.handle(&units(512..1024, 2), at(0));
        assert_eq!(moves.poll(at(499)), None, "there may be more");
        let began = moves.poll(at(500)).unwrap();
        assert_eq!(
            words(&began),
            "1,024 work units have another owner, within 0 ms: 512 nobody → gw-a, 512 nobody → gw-b"
        );
        assert_eq!(moves.poll(at(5000)), None, "told once");

        moves.handle(&units(0..512, 0), at(10_000));
        moves.handle(&units(0..300, 2), at(10_100));
        moves.handle(&units(300..511, 3), at(10_400));
        moves.handle(&units(511..512, 1), at(10_400)); // back again
        moves.handle_incomplete(member(1).unwrap(), at(10_420));
        assert_eq!(
            words(&moves.poll(at(10_920)).unwrap()),
            "511 work units have another owner, within 420 ms: 300 gw-a → gw-b, 211 gw-a → gw-c; 1 unit without all \
             changes of gw-a"
        );
    }

    /// Units that move one by one without end are told every ten seconds; what nobody moved is told never.
    #[test]
    fn a_burst_without_end() {
        let mut moves = Moves::new();
        moves.handle(&units(0..1024, 0), at(0));
        assert_eq!(moves.poll(at(9000)), None);
        let mut told = 0;
        for step in 0..600u16 {
            let now = at(10_000 + u64::from(step) * 100);
            moves.handle(&units(step..step + 1, 1), now);
            told += u64::from(moves.poll(now).is_some());
        }
        assert_eq!(told, 5);
    }
}
