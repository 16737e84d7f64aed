//! A card on disk.
//!
//! Key: `f` and the card's name. Value: version, epoch u32, flags, and where a restart is unfinished: its cut-off u32
//! and the time of its decision in milliseconds of Unix time u64. All integers are big-endian.

use crate::scope::Epoch;

/// First octet of a card's key.
pub const FPC_PREFIX: u8 = b'f';

const VERSION: u8 = 1;
const RESTARTING: u8 = 1;

/// What is durable of a card.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Record {
    pub(super) epoch: Epoch,
    /// A logout that was decided and not finished: its cut-off, and when, in milliseconds of Unix time.
    pub(super) restarting: Option<(Epoch, u64)>,
}

pub(super) fn key(name: &str) -> Vec<u8> {
    [&[FPC_PREFIX], name.as_bytes()].concat()
}

pub(super) fn encode(record: &Record) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend(record.epoch.0.to_be_bytes());
    out.push(if record.restarting.is_some() { RESTARTING } else { 0 });
    if let Some((cutoff, decided)) = record.restarting {
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
    let restarting = match (flags & RESTARTING != 0, tail.split_first_chunk::<4>()) {
        (false, _) if tail.is_empty() => None,
        (true, Some((cutoff, decided))) => {
            Some((Epoch(u32::from_be_bytes(*cutoff)), u64::from_be_bytes(decided.try_into().ok()?)))
        }
        _ => return None,
    };
    Some(Record { epoch, restarting })
}
