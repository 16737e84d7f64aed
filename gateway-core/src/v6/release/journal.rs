//! What is unfinished, on disk.
//!
//! | key | value |
//! |---|---|
//! | `release6/f/` name of the FPC | version, cut-off u32, decided u64, attempt u32, txid u64 of its single logouts |
//! | `release6/l/` prefix(16) length u8 | version, cause u8, decided u64, client DUID(rest) |
//!
//! Integers are big-endian, `decided` is in Unix nanoseconds. A restart does not list its leases: those still to do are in
//! the session table, those done are not. A client that is released on its own has a record for each of its leases, by
//! what means the same on every member of a cluster.

use core::net::Ipv6Addr;

use super::config::Cause;
use crate::octets::Reader;
use crate::release::Decision;
use crate::scope::Epoch;
use crate::time::Duration;
use crate::wire::dhcp6::{DuidBuf, Prefix};

/// Where the records live in the store.
pub const JOURNAL_PREFIX: &[u8] = b"release6/";

const RESTART: &[u8] = b"f/";
const LEASE: &[u8] = b"l/";
const VERSION: u8 = 1;

/// What a record says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Record {
    /// The release of a line card, by its name.
    Restart { fpc: String, cutoff: Epoch, decision: Decision, attempt: u32, txid: u64 },
    /// A lease of a client that is released on its own.
    Lease { prefix: Prefix, cause: Cause, decision: Decision, client: DuidBuf },
}

/// Key of the release of a line card.
pub(crate) fn restart_key(fpc: &str) -> Vec<u8> {
    [JOURNAL_PREFIX, RESTART, fpc.as_bytes()].concat()
}

/// Key of a lease of a client that is released on its own.
pub(crate) fn lease_key(prefix: Prefix) -> Vec<u8> {
    [JOURNAL_PREFIX, LEASE, &prefix.address().octets(), &[prefix.length()]].concat()
}

fn nanos(decision: Decision, unix_offset: Duration) -> [u8; 8] {
    u64::try_from(decision.to_unix(unix_offset).as_nanos()).unwrap_or(u64::MAX).to_be_bytes()
}

pub(super) fn encode_restart(
    cutoff: Epoch,
    decision: Decision,
    attempt: u32,
    txid: u64,
    unix_offset: Duration,
) -> Vec<u8> {
    [
        &[VERSION][..],
        &cutoff.0.to_be_bytes(),
        &nanos(decision, unix_offset),
        &attempt.to_be_bytes(),
        &txid.to_be_bytes(),
    ]
    .concat()
}

pub(super) fn encode_lease(cause: Cause, decision: Decision, client: &DuidBuf, unix_offset: Duration) -> Vec<u8> {
    let cause = Cause::ALL.iter().position(|other| *other == cause).unwrap_or_default() as u8;
    [&[VERSION, cause][..], &nanos(decision, unix_offset), client.as_duid().octets()].concat()
}

/// A record; `None` when it is not one of ours.
pub(super) fn decode(key: &[u8], value: &[u8], unix_offset: Duration) -> Option<Record> {
    let key = key.strip_prefix(JOURNAL_PREFIX)?;
    let mut value = Reader(value);
    let [VERSION] = value.take()? else { return None };
    let decision = |value: &mut Reader<'_>| Some(Decision::from_unix(Duration::from_nanos(value.u64()?), unix_offset));
    if let Some(name) = key.strip_prefix(RESTART) {
        let fpc = core::str::from_utf8(name).ok()?.to_owned();
        let cutoff = Epoch(value.u32()?);
        let record =
            Record::Restart { fpc, cutoff, decision: decision(&mut value)?, attempt: value.u32()?, txid: value.u64()? };
        value.end()?;
        return Some(record);
    }
    let mut key = Reader(key.strip_prefix(LEASE)?);
    let (address, length) = (Ipv6Addr::from(key.take::<16>()?), key.u8()?);
    key.end()?;
    let prefix = Prefix::new(address, length).filter(|prefix| prefix.address() == address)?;
    let cause = *Cause::ALL.get(usize::from(value.u8()?))?;
    let decision = decision(&mut value)?;
    Some(Record::Lease { prefix, cause, decision, client: DuidBuf::new(value.0)? })
}
