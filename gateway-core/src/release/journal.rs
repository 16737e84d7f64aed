//! An unfinished release on disk (H-BR-20).
//!
//! ```text
//! key    "release/" name of the FPC
//! value  version:1 = 1   cut-off:4   decided:8   attempt:4   n:2   n transactions:
//!        server:4  identifier:4  giaddr:4  xid:4  length:1  elements:length
//! ```
//! Integers are big-endian, `decided` is in Unix nanoseconds. The elements are those of the message (XACT with the
//! txid, and the SCOPEs), in the vsi encoding with the default numbers whatever is configured. Logins that are released
//! individually are not listed: those still to do are in the session table, those done are not.

use core::net::Ipv4Addr;

use super::desk::Decision;
use super::transaction::{State, Target, Transaction};
use crate::scope::{DeviceId, Epoch};
use crate::time::{Duration, Instant};
use crate::wire::agent::{AgentBuilder, AgentInformation};
use crate::wire::bulk_release::{BulkRelease, CodePoints};

/// Where the records live in the store.
pub const JOURNAL_PREFIX: &[u8] = b"release/";

const VERSION: u8 = 1;

pub(super) fn key(name: &str) -> Vec<u8> {
    [JOURNAL_PREFIX, name.as_bytes()].concat()
}

/// What a record says.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) cutoff: Epoch,
    pub(super) decision: Decision,
    pub(super) attempt: u32,
    pub(super) transactions: Vec<Transaction>,
}

/// Of the transactions only those that still wait for their reply are written.
pub(super) fn encode(
    cutoff: Epoch,
    decision: Decision,
    attempt: u32,
    transactions: &[Transaction],
    device: &DeviceId,
    unix_offset: Duration,
) -> Vec<u8> {
    let waiting: Vec<_> = transactions.iter().filter(|transaction| transaction.waiting()).collect();
    let decided = u64::try_from(decision.to_unix(unix_offset).as_nanos()).unwrap_or(u64::MAX);
    let mut value = vec![VERSION];
    value.extend(cutoff.0.to_be_bytes());
    value.extend(decided.to_be_bytes());
    value.extend(attempt.to_be_bytes());
    value.extend(u16::try_from(waiting.len()).unwrap_or(u16::MAX).to_be_bytes());
    for transaction in waiting {
        for address in [transaction.server, transaction.identifier, transaction.giaddr] {
            value.extend(address.octets());
        }
        value.extend(transaction.xid.to_be_bytes());
        let elements = transaction.request(device, cutoff).encode(&CodePoints::default());
        let elements = elements.iter().fold(AgentBuilder::new(), |builder, (code, value)| builder.sub(*code, value));
        // It fitted into an option 82 with more beside it, so it fits here.
        let elements = elements.finish().unwrap_or_default();
        value.push(u8::try_from(elements.len()).unwrap_or_default());
        value.extend(elements);
    }
    value
}

/// The name of the FPC, and the release; `None` when the record is not one of ours.
pub(super) fn decode<'a>(
    key: &'a [u8],
    value: &[u8],
    unix_offset: Duration,
    now: Instant,
) -> Option<(&'a str, Record)> {
    let name = core::str::from_utf8(key.strip_prefix(JOURNAL_PREFIX)?).ok()?;
    let mut rest = value;
    if take::<1>(&mut rest)? != [VERSION] {
        return None;
    }
    let cutoff = Epoch(u32::from_be_bytes(take(&mut rest)?));
    let decided = Duration::from_nanos(u64::from_be_bytes(take(&mut rest)?));
    let attempt = u32::from_be_bytes(take(&mut rest)?);
    let count = u16::from_be_bytes(take(&mut rest)?);
    let mut transactions = Vec::new();
    for _ in 0..count {
        transactions.push(transaction(&mut rest, now)?);
    }
    let decision = Decision::from_unix(decided, unix_offset);
    rest.is_empty().then_some((name, Record { cutoff, decision, attempt, transactions }))
}

fn transaction(rest: &mut &[u8], now: Instant) -> Option<Transaction> {
    let server = Ipv4Addr::from(take::<4>(rest)?);
    let identifier = Ipv4Addr::from(take::<4>(rest)?);
    let giaddr = Ipv4Addr::from(take::<4>(rest)?);
    let xid = u32::from_be_bytes(take(rest)?);
    let [length] = take(rest)?;
    let (elements, after) = rest.split_at_checked(usize::from(length))?;
    *rest = after;
    let agent = AgentInformation::parse(elements).ok()?;
    let release = BulkRelease::decode(&agent, &CodePoints::default()).ok()??;
    let header = release.transaction?;
    let targets = release.scopes.into_iter().map(|scope| Target { kind: scope.kind, cohort: None, count: 0 }).collect();
    // The transmissions start over: nobody knows what became of the earlier ones.
    let state = State::Waiting { began: now, next: now, interval: Duration::ZERO };
    let (operation, txid) = (header.operation, header.txid);
    Some(Transaction { server, identifier, giaddr, operation, txid, xid, targets, state, sent: 0 })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*taken)
}
