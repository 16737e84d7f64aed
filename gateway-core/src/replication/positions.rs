//! How much of each origin's changes somebody has.

use std::collections::BTreeMap;

use super::stamp::Stamp;
use crate::member::MemberId;
use crate::octets::Reader;

/// For each origin the number of its last change that was taken in, with all before it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Positions(BTreeMap<MemberId, u64>);

impl Positions {
    /// Number of the last change of `origin`; 0 when there was none.
    pub fn get(&self, origin: MemberId) -> u64 {
        self.0.get(&origin).copied().unwrap_or_default()
    }

    /// Goes on to `seq`, never back.
    pub fn advance(&mut self, origin: MemberId, seq: u64) {
        let entry = self.0.entry(origin).or_default();
        *entry = seq.max(*entry);
    }

    /// Goes to `seq`, back if need be.
    pub fn set(&mut self, origin: MemberId, seq: u64) {
        self.0.insert(origin, seq);
    }

    /// Everything that the other has, too.
    pub fn merge(&mut self, other: &Self) {
        other.iter().for_each(|(origin, seq)| self.advance(origin, seq));
    }

    /// Whether this change was taken in. What nobody said is no news to anybody.
    pub fn covers(&self, stamp: Stamp) -> bool {
        stamp.origin().is_none_or(|origin| stamp.seq() <= self.get(origin))
    }

    /// The greatest number of any origin.
    pub fn latest(&self) -> u64 {
        self.0.values().copied().max().unwrap_or_default()
    }

    /// All origins.
    pub fn iter(&self) -> impl Iterator<Item = (MemberId, u64)> + '_ {
        self.0.iter().map(|(origin, seq)| (*origin, *seq))
    }

    /// Count u8, then origin u8 and number u64 of each, by origin.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.0.len() as u8); // at most 254 members
        for (origin, seq) in self.iter() {
            out.push(origin.get());
            out.extend(seq.to_be_bytes());
        }
    }

    /// Strictly by origin, so that there is one way to say it.
    pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let count = reader.u8()?;
        let mut positions = Self::default();
        for _ in 0..count {
            let origin = MemberId::new(reader.u8()?)?;
            if positions.0.last_key_value().is_some_and(|(last, _)| *last >= origin) {
                return None;
            }
            positions.set(origin, reader.u64()?);
        }
        Some(positions)
    }
}
