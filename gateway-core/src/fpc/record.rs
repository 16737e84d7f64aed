//! A card on disk.
//!
//! Key: `f` and the card's name. Value: version, epoch u32, flags, where a restart is unfinished its cut-off u32 and the
//! time of its decision in milliseconds of Unix time u64, and where one is finished the same of the last. All integers
//! are big-endian.

use crate::scope::Epoch;

/// First octet of a card's key.
pub const FPC_PREFIX: u8 = b'f';

const VERSION: u8 = 1;
const RESTARTING: u8 = 1;
const ENDED: u8 = 2;

/// What is durable of a card.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Record {
    pub(super) epoch: Epoch,
    /// A logout that was decided and not finished: its cut-off, and when, in milliseconds of Unix time.
    pub(super) restarting: Option<(Epoch, u64)>,
    /// The last logout that was decided, while it is finished.
    pub(super) ended: Option<(Epoch, u64)>,
}

pub(super) fn key(name: &str) -> Vec<u8> {
    [&[FPC_PREFIX], name.as_bytes()].concat()
}

pub(super) fn encode(record: &Record) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend(record.epoch.0.to_be_bytes());
    let flag = |part: Option<_>, flag| if part.is_some() { flag } else { 0 };
    out.push(flag(record.restarting, RESTARTING) | flag(record.ended, ENDED));
    for (cutoff, decided) in [record.restarting, record.ended].into_iter().flatten() {
        out.extend(cutoff.0.to_be_bytes());
        out.extend(decided.to_be_bytes());
    }
    out
}

/// `None` when it is no record, or one of a version not known here.
pub(super) fn decode(value: &[u8]) -> Option<Record> {
    let (head, tail) = value.split_first_chunk::<6>()?;
    let [VERSION, a, b, c, d, flags] = *head else { return None };
    let epoch = Epoch(u32::from_be_bytes([a, b, c, d]));
    let mut tail = crate::octets::Reader(tail);
    let mut logout = |flag| {
        let present = flags & flag != 0;
        let mut read = || Some((Epoch(u32::from_be_bytes(tail.take()?)), tail.u64()?));
        if present { read().map(Some) } else { Some(None) }
    };
    let (restarting, ended) = (logout(RESTARTING)?, logout(ENDED)?);
    tail.end()?;
    Some(Record { epoch, restarting, ended })
}
