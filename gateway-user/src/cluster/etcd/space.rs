//! What members keep in etcd, under `/gateway/<cluster>/`.
//!
//! | key | value | lease | says |
//! |---|---|---|---|
//! | `members/<number>` | `{"lost":<term>}` | the member's | it lives; the term of the master that it lost and misses |
//! | `master` | `{"member":<number>,"term":<term>}` | the master's | who is elected |
//! | `term` | `<term>` | none | the greatest term there was |
//! | `units/<n>` | `[[<owner>,<version>],…]` | none | last assignments of units 128·n to 128·n+127; owner 0: none yet |

use std::collections::BTreeMap;

use gateway_common::unit::{UNITS, Unit};
use gateway_core::member::{MemberId, Term, UnitVersion};
use gateway_core::wire::cluster::Assignment;
use serde::{Deserialize, Serialize};

/// Units under one key.
const PART: usize = 128;

/// Where a cluster keeps what.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) prefix: String,
}

impl Names {
    pub(super) fn new(cluster: &str) -> Self {
        Self { prefix: format!("/gateway/{cluster}/") }
    }

    pub(super) fn master(&self) -> String {
        format!("{}master", self.prefix)
    }

    pub(super) fn term(&self) -> String {
        format!("{}term", self.prefix)
    }

    pub(super) fn member(&self, member: MemberId) -> String {
        format!("{}members/{member}", self.prefix)
    }

    pub(super) fn units(&self, part: usize) -> String {
        format!("{}units/{part}", self.prefix)
    }
}

/// One key as etcd has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: String,
    /// Revision of its last change.
    pub(super) changed: i64,
    /// 0: none.
    pub(super) lease: i64,
}

/// The value of `master`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Elected {
    pub(super) member: u8,
    pub(super) term: u32,
}

/// The value of `members/<number>`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(super) struct Lives {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lost: Option<u32>,
}

/// Who is elected, and by which key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Master {
    pub(super) member: MemberId,
    pub(super) term: Term,
    /// Revision of the key, which only who is elected writes: what a master writes is bound to it.
    pub(super) changed: i64,
    pub(super) lease: i64,
}

/// A member that has its key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Present {
    pub(super) lease: i64,
    pub(super) lives: Lives,
}

/// All of it, as of a revision. What can't be read is as if it were not there: see [`Space::unreadable`].
#[derive(Clone, Debug, Default)]
pub(super) struct Space {
    revision: i64,
    entries: BTreeMap<String, Entry>,
}

impl Space {
    /// All keys under the prefix, as of this revision.
    pub(super) fn new(revision: i64, entries: impl IntoIterator<Item = Entry>) -> Self {
        Self { revision, entries: entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect() }
    }

    /// The revision that it is of.
    pub(super) fn revision(&self) -> i64 {
        self.revision
    }

    /// A key was put. What is older than what is known here is no news.
    pub(super) fn put(&mut self, entry: Entry) {
        if entry.changed > self.revision {
            self.entries.insert(entry.key.clone(), entry);
        }
    }

    /// A key is gone, at this revision.
    pub(super) fn delete(&mut self, key: &str, revision: i64) {
        if revision > self.revision {
            self.entries.remove(key);
        }
    }

    /// Everything up to this revision has been told.
    pub(super) fn advance(&mut self, revision: i64) {
        self.revision = self.revision.max(revision);
    }

    /// A key, as it is.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    fn read<T: for<'a> Deserialize<'a>>(&self, key: &str) -> Option<(&Entry, T)> {
        let entry = self.entries.get(key)?;
        Some((entry, serde_json::from_str(&entry.value).ok()?))
    }

    /// Who is elected.
    pub(super) fn master(&self, names: &Names) -> Option<Master> {
        let (entry, elected) = self.read::<Elected>(&names.master())?;
        let member = MemberId::new(elected.member)?;
        Some(Master { member, term: Term(elected.term), changed: entry.changed, lease: entry.lease })
    }

    /// The greatest term there was, and the revision at which that was written; 0: never.
    pub(super) fn term(&self, names: &Names) -> (Term, i64) {
        let changed = self.entries.get(&names.term()).map_or(0, |entry| entry.changed);
        (self.read::<u32>(&names.term()).map_or(Term(0), |(_, term)| Term(term)), changed)
    }

    /// A member that has its key.
    pub(super) fn member(&self, names: &Names, member: MemberId) -> Option<Present> {
        let (entry, lives) = self.read::<Lives>(&names.member(member))?;
        Some(Present { lease: entry.lease, lives })
    }

    /// All that have theirs.
    pub(super) fn members(&self, names: &Names) -> impl Iterator<Item = MemberId> {
        let numbers = (1..=u8::MAX).filter_map(MemberId::new);
        numbers.filter(|member| self.member(names, *member).is_some())
    }

    /// The last assignment of each unit.
    pub(super) fn units(&self, names: &Names) -> BTreeMap<Unit, Assignment> {
        let mut units = BTreeMap::new();
        for part in 0..UNITS as usize / PART {
            let Some((_, values)) = self.read::<Vec<(u8, u32)>>(&names.units(part)) else { continue };
            for (at, (owner, version)) in values.into_iter().take(PART).enumerate() {
                let unit = Unit::new((part * PART + at) as u16);
                if let (Some(unit), Some(owner)) = (unit, MemberId::new(owner)) {
                    units.insert(unit, Assignment { unit, version: UnitVersion(version), owner });
                }
            }
        }
        units
    }

    /// A key whose value is not what members write.
    pub(super) fn unreadable(&self, names: &Names) -> Option<&str> {
        let bad = |key: &String, entry: &Entry| {
            let value = &entry.value;
            match key.strip_prefix(&names.prefix)? {
                "master" => serde_json::from_str::<Elected>(value).is_err(),
                "term" => serde_json::from_str::<u32>(value).is_err(),
                key if key.starts_with("members/") => serde_json::from_str::<Lives>(value).is_err(),
                key if key.starts_with("units/") => serde_json::from_str::<Vec<(u8, u32)>>(value).is_err(),
                _ => false,
            }
            .then_some(())
        };
        self.entries.iter().find(|(key, entry)| bad(key, entry).is_some()).map(|(key, _)| &**key)
    }
}

/// The keys of units that change when these assignments are added to those, with their values.
pub(super) fn parts(names: &Names, known: &BTreeMap<Unit, Assignment>, news: &[Assignment]) -> Vec<(String, String)> {
    let news: BTreeMap<_, _> = news.iter().map(|assignment| (assignment.unit, *assignment)).collect();
    let mut changed: Vec<_> = news.keys().map(|unit| unit.index() as usize / PART).collect();
    changed.dedup();
    let value = |part: usize| {
        let units = (part * PART..(part + 1) * PART).filter_map(|unit| Unit::new(unit as u16));
        let last = units.map(|unit| news.get(&unit).or_else(|| known.get(&unit)));
        let values: Vec<_> = last.map(|last| last.map_or((0, 0), |last| (last.owner.get(), last.version.0))).collect();
        serde_json::to_string(&values).unwrap_or_default()
    };
    changed.into_iter().map(|part| (names.units(part), value(part))).collect()
}
