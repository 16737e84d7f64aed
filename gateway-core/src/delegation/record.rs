//! What is on disk.
//!
//! | key | value |
//! |---|---|
//! | `D` `r` base(4) prefix | version, standing (0x10: recovered, 0x20: its provider assigns), 0, maximum u64 \| 1, server(4), granted u64, origins u8 + 8 each; high water: lifetime u64, lease u64 |
//! | `D` `f` | version, time u64: operators' subnets rest so long still |
//! | `D` `b` base(4) prefix | version, 1 leased: flags, asked back, at(4), granted u64, lessee, in use u64, high water u64, unusable u64, left u64, relay(4) \| 2 own \| 3 resting: refused 1 or hosts left 2, at(4), time u64, lessee |
//!
//! Integers are big-endian, times are lengths in milliseconds (H-SN-26), a lessee is a length u8 and octets. Blocks of the
//! pool and offers have no record.

use core::net::Ipv4Addr;

use super::Delegation;
use super::block::{Lease, Left, Own, Resting, Stage, Use};
use super::command::Command;
use super::origin::{Contract, Root, Source, Standing};
use super::usage::HighWater;
use super::words::{ServerId, Usage};
use crate::octets::Reader;
use crate::subnet::Subnet;
use crate::time::{Duration, Instant};
use crate::wire::subnet_allocation::OriginId;

/// First octet of every key.
pub const RECORD_PREFIX: u8 = b'D';

const ROOT: u8 = b'r';
const BLOCK: u8 = b'b';
const FORGOTTEN: u8 = b'f';
const RECOVERED: u8 = 0x10;
const AWAY: u8 = 0x20;
const VERSION: u8 = 1;

const OPERATOR: u8 = 0;
const PROVIDER: u8 = 1;

const LEASED: u8 = 1;
const OWN: u8 = 2;
const RESTING: u8 = 3;
const DELEGATE: u8 = 1;
const REPORTED: u8 = 2;
/// What is left of it follows, and the relay.
const NOTED: u8 = 4;
const REFUSED: u8 = 1;
const LEFT: u8 = 2;

/// A record, read.
#[derive(Debug)]
pub(super) enum Record {
    Root(Subnet, Root),
    Block(Subnet, Use),
    /// Operators' subnets rest so long still.
    Forgotten(Duration),
}

impl Delegation {
    /// Writes a root as it is now, or deletes it.
    pub(super) fn persist_root(&mut self, subnet: &Subnet) {
        let value = self.roots.get(subnet).map(encode_root);
        self.persist(key(ROOT, subnet), value);
    }

    /// Writes a block as it is now; one of the pool is deleted.
    pub(super) fn persist_block(&mut self, subnet: &Subnet, now: Instant) {
        let value = self.space.get(subnet).and_then(|used| encode_block(used, now));
        self.persist(key(BLOCK, subnet), value);
    }

    pub(super) fn persist(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.commands.push_back(match value {
            Some(value) => Command::Persist { key, value },
            None => Command::Forget { key },
        });
    }
}

/// How long operators' subnets rest still.
pub(super) fn forgotten(left: Option<Duration>) -> (Vec<u8>, Option<Vec<u8>>) {
    let value = left.map(|left| [&[VERSION][..], &millis(left).to_be_bytes()].concat());
    (vec![RECORD_PREFIX, FORGOTTEN], value)
}

fn key(class: u8, subnet: &Subnet) -> Vec<u8> {
    let [a, b, c, d] = subnet.base().octets();
    vec![RECORD_PREFIX, class, a, b, c, d, subnet.prefix()]
}

fn encode_root(root: &Root) -> Vec<u8> {
    let standing = match root.standing {
        // What an operator took away does not come back by a start.
        Standing::Deprecated if root.uncertain && root.contract().is_none() => 4,
        _ if root.uncertain => 3,
        Standing::Active | Standing::Unconfirmed => 0,
        Standing::Deprecated => 1,
        Standing::Refused => 2,
        Standing::Uncertain { .. } => 3,
    };
    let recovered = if root.recovered.is_some() { RECOVERED } else { 0 };
    let away = if root.is_delegated() { 0 } else { AWAY };
    let mut out = vec![VERSION, standing | recovered | away];
    match &root.source {
        Source::Operator { maximum } => {
            out.push(OPERATOR);
            out.extend(maximum.map_or(0, millis).to_be_bytes());
        }
        Source::Provider(contract) => {
            out.push(PROVIDER);
            out.extend(contract.server.octets());
            out.extend(millis(contract.granted).to_be_bytes());
            let origins = &contract.origins[contract.origins.len().saturating_sub(255)..];
            out.push(origins.len() as u8);
            out.extend(origins.iter().flat_map(OriginId::octets));
        }
    }
    out.extend(root.high.lifetime.to_be_bytes());
    out.extend(root.high.lease.to_be_bytes());
    out
}

fn encode_block(used: &Use, now: Instant) -> Option<Vec<u8>> {
    let mut out = vec![VERSION];
    match used {
        Use::Offered(_) | Use::Away => return None,
        Use::Leased(lease) => {
            let flags = if lease.delegate { DELEGATE } else { 0 } | if lease.usage.is_some() { REPORTED } else { 0 };
            out.extend([LEASED, flags | NOTED, lease.asked_back]);
            out.extend(lease.at.octets());
            out.extend(millis(lease.granted).to_be_bytes());
            identity(&mut out, &lease.lessee);
            let usage = lease.usage.unwrap_or_default();
            let left = millis(lease.until.since(now));
            let numbers = [usage.in_use, usage.high_water, usage.unusable, left];
            out.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
            out.extend(lease.relay.octets());
        }
        Use::Own(_) => out.push(OWN),
        Use::Resting(resting) => {
            let left = if resting.left == Left::Nobody { 0 } else { LEFT };
            out.extend([RESTING, u8::from(resting.refused) | left]);
            out.extend(resting.at.octets());
            out.extend(millis(resting.until.since(now)).to_be_bytes());
            identity(&mut out, &resting.lessee);
        }
    }
    Some(out)
}

fn identity(out: &mut Vec<u8>, who: &ServerId) {
    out.push(who.octets().len() as u8); // 1 to 255
    out.extend(who.octets());
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Reads a record; `None` when it is none of ours, or of a version that we don't know. Times begin `now`.
pub(super) fn decode(key: &[u8], value: &[u8], now: Instant) -> Option<Record> {
    let mut key = Reader(key);
    let [RECORD_PREFIX, class] = key.take()? else { return None };
    if class == FORGOTTEN {
        let mut value = Reader(value);
        let left = (value.u8()? == VERSION).then_some(Duration::from_millis(value.u64()?))?;
        return value.end().and(key.end()).map(|()| Record::Forgotten(left));
    }
    let base: Ipv4Addr = key.address()?;
    let subnet = Subnet::new(base, key.u8()?).ok()?;
    key.end()?;
    let mut value = Reader(value);
    if value.u8()? != VERSION {
        return None;
    }
    let record = match class {
        ROOT => Record::Root(subnet, decode_root(&mut value, now)?),
        BLOCK => Record::Block(subnet, decode_block(&mut value, now)?),
        _ => return None,
    };
    value.end()?;
    Some(record)
}

fn decode_root(value: &mut Reader<'_>, now: Instant) -> Option<Root> {
    let standing = value.u8()?;
    let (recovered, delegate) = (standing & RECOVERED != 0, standing & AWAY == 0);
    let standing = standing & !(RECOVERED | AWAY);
    let source = match value.u8()? {
        OPERATOR => {
            let maximum = value.u64()?;
            Source::Operator { maximum: (maximum > 0).then(|| Duration::from_millis(maximum)) }
        }
        PROVIDER => {
            let (server, granted) = (value.address()?, Duration::from_millis(value.u64()?));
            let count = value.u8()?;
            let origins = (0..count).map(|_| value.take().map(OriginId::from_octets)).collect::<Option<_>>()?;
            // It is certainly over by then. Nothing is done with it before its provider has said more.
            let (expires, renew_at) = (now + granted, Instant::NEVER);
            let (asked, suggested) = (None, None);
            Source::Provider(Contract { server, origins, granted, expires, renew_at, asked, delegate, suggested })
        }
        _ => return None,
    };
    let ours = matches!(source, Source::Operator { .. });
    let was = match standing {
        0 | 3 if !ours => Standing::Unconfirmed,
        0 => Standing::Active,
        1 if !ours => Standing::Unconfirmed,
        1 => Standing::Deprecated,
        2 => Standing::Refused,
        3 => Standing::Uncertain { until: now }, // until when is said by another record
        4 if ours => Standing::Deprecated,
        _ => return None,
    };
    let high = HighWater { lifetime: value.u64()?, lease: value.u64()?, report: 0 };
    let mut root = Root { high, uncertain: matches!(standing, 3 | 4), ..Root::new(source, was) };
    root.recovered = root.contract().filter(|_| recovered).map(|contract| contract.expires);
    Some(root)
}

fn decode_block(value: &mut Reader<'_>, now: Instant) -> Option<Use> {
    Some(match value.u8()? {
        LEASED => {
            let (flags, asked_back, at) = (value.u8()?, value.u8()?, value.address()?);
            let granted = Duration::from_millis(value.u64()?);
            let lessee = read_identity(value)?;
            let usage = Usage { in_use: value.u64()?, high_water: value.u64()?, unusable: value.u64()? };
            let usage = (flags & REPORTED != 0).then_some(usage);
            let noted = flags & NOTED != 0;
            let left = if noted { Duration::from_millis(value.u64()?).min(granted) } else { granted };
            let relay = if noted { value.address()? } else { at };
            let (delegate, until, told) = (flags & DELEGATE != 0, now + left, false);
            Use::Leased(Lease { lessee, at, relay, delegate, granted, until, usage, asked_back, told })
        }
        OWN => Use::Own(Own::untold(now)),
        RESTING => {
            let flags = value.u8()?;
            let left = if flags & LEFT != 0 { Left::Untold } else { Left::Nobody };
            let (at, until) = (value.address()?, now + Duration::from_millis(value.u64()?));
            Use::Resting(Resting { until, at, refused: flags & REFUSED != 0, left, lessee: read_identity(value)? })
        }
        _ => return None,
    })
}

fn read_identity(value: &mut Reader<'_>) -> Option<ServerId> {
    let length = value.u8()?;
    ServerId::new(value.slice(usize::from(length))?)
}

impl Own {
    /// As it is read: the address server hears of it when its root is confirmed.
    pub(super) fn untold(now: Instant) -> Self {
        Self { until: now, stage: Stage::Untold, usage: None, idle_since: None, since: now, extend_at: Instant::NEVER }
    }
}
