//! What is on disk: keys and values, versioned, big-endian. Times are Unix time there and time since boot in memory.
//!
//! | key | value |
//! |---|---|
//! | `l` address | lease |
//! | `c` scope with its cut-off epoch | transaction number up to which leases were ended; Unix seconds from when on they are free, unless at once |
//! | `x` txid, device | results of a single logout, for its repetition |
//! | `r` key id, device | last counter seen in an authenticated message |
//! | `f` address | number of the client's forcerenew nonce, its last transaction number |
//! | `k` | secret that nonces are made of |
//! | `D` | of the delegation, see there |
//! | `A` identity | last counter of another server's messages; without identity of ours |
//! | `n` | counter up to which our own authenticated messages may go |

mod field;
mod key;
mod lease;
mod now;

use core::net::Ipv4Addr;

use gateway_core::scope::Scope;
use gateway_core::time::Instant;

pub(crate) use self::field::{Reader, decode_scope, encode_scope};
pub(crate) use self::key::*;
pub(crate) use self::lease::{Cutoff, Durable, LeaseRecord};
pub(crate) use self::now::{Moment, Now};
use crate::server::Told;
use crate::subnets::Subnets;

const VERSION: u8 = 1;

/// What is known of a client's nonce.
pub(crate) fn told_value(told: Told) -> Vec<u8> {
    [&told.number.to_be_bytes()[..], &told.xid.to_be_bytes()].concat()
}

fn told(value: &[u8]) -> Option<Told> {
    let value: &[u8; 12] = value.try_into().ok()?;
    let (number, xid) = value.split_first_chunk::<8>()?;
    Some(Told { number: u64::from_be_bytes(*number), xid: u32::from_be_bytes(xid.try_into().ok()?) })
}

/// Results of one transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ResultRecord {
    /// When they are forgotten.
    pub(crate) until: Instant,
    /// Logins the server ended in total, and per scope what the reply says.
    pub(crate) scopes: Vec<(Scope, [u32; 4])>,
}

impl ResultRecord {
    pub(crate) fn encode(&self, now: &Now) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&now.unix_seconds_of(self.until).to_be_bytes());
        for (scope, counts) in &self.scopes {
            let mut encoded = Vec::new();
            encode_scope(scope, &mut encoded);
            out.push(encoded.len() as u8); // at most 3 + 64 + 4 + 32
            out.extend_from_slice(&encoded);
            counts.iter().for_each(|count| out.extend_from_slice(&count.to_be_bytes()));
        }
        out
    }

    pub(crate) fn decode(value: &[u8], now: &Now) -> Option<Self> {
        let mut reader = Reader(value);
        let [VERSION] = reader.array()? else { return None };
        let until = now.instant_of(u64::from_be_bytes(reader.array()?));
        let mut scopes = Vec::new();
        while !reader.0.is_empty() {
            let scope = decode_scope(reader.counted()?)?;
            let mut counts = [0; 4];
            for count in &mut counts {
                *count = u32::from_be_bytes(reader.array()?);
            }
            scopes.push((scope, counts));
        }
        Some(Self { until, scopes })
    }
}

/// What a key and value on disk are.
#[derive(Debug)]
pub(crate) enum Record<'a> {
    Lease(Ipv4Addr, LeaseRecord<'a>),
    Cutoff(Scope, Cutoff),
    Result {
        device: &'a [u8],
        txid: u64,
        record: ResultRecord,
    },
    Replay {
        key_id: u32,
        relay: u32,
        device: &'a [u8],
        counter: u64,
    },
    OwnCounter(u64),
    Nonce(Ipv4Addr, Told),
    /// Of subnets from and for other servers: not the address server's.
    Subnets,
    Secret([u8; 32]),
}

impl<'a> Record<'a> {
    /// `None` when it is not readable: another version, or damaged.
    pub(crate) fn decode(key: &'a [u8], value: &'a [u8], now: &Now) -> Option<Self> {
        let (class, rest) = key.split_first()?;
        let number = || Some(u64::from_be_bytes(value.try_into().ok()?));
        let mut reader = Reader(rest);
        Some(match class {
            b'l' => Self::Lease(Ipv4Addr::from(reader.array::<4>()?), LeaseRecord::decode(value, now)?),
            b'c' => {
                let scope = decode_scope(rest)?;
                let cutoff = Cutoff::decode(scope.epoch, value, now)?;
                Self::Cutoff(scope, cutoff)
            }
            b'x' => {
                let txid = u64::from_be_bytes(reader.array()?);
                Self::Result { device: reader.0, txid, record: ResultRecord::decode(value, now)? }
            }
            b'r' | b'm' => {
                let key_id = u32::from_be_bytes(reader.array()?);
                let relay = if *class == b'm' { u32::from_be_bytes(reader.array()?) } else { 0 };
                Self::Replay { key_id, relay, device: reader.0, counter: number()? }
            }
            b'n' => Self::OwnCounter(number()?),
            b'f' => Self::Nonce(Ipv4Addr::from(reader.array::<4>()?), told(value)?),
            b'k' => Self::Secret(value.try_into().ok()?),
            _ if Subnets::is_ours(key) => Self::Subnets,
            _ => return None,
        })
    }
}
