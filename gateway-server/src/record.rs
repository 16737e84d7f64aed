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

use core::net::Ipv4Addr;

use gateway_core::line::HardwareAddress;
use gateway_core::scope::{DeviceId, DeviceIdType, Epoch, GroupId, Scope, ScopeKind};
use gateway_core::time::{Duration, Instant};
use gateway_core::wire::bulk_release::scope_value;

use crate::server::Told;
use crate::subnets::Subnets;
use crate::v6;

/// Nanoseconds since boot; negative before it, as the last transaction of a lease that outlived a reboot is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(crate) struct Moment(i64);

/// One moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// Since boot.
    pub(crate) at: Instant,
    /// Since 1970.
    pub(crate) unix: Duration,
}

impl Now {
    pub(crate) fn moment(&self) -> Moment {
        Moment(i64::try_from(self.at.as_nanos()).unwrap_or(i64::MAX))
    }

    /// The moment `ago` before now.
    pub(crate) fn before(&self, ago: Duration) -> Moment {
        Moment(self.moment().0.saturating_sub(i64::try_from(ago.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// Time passed since `moment`.
    pub(crate) fn since(&self, moment: Moment) -> Duration {
        Duration::from_nanos(u64::try_from(self.moment().0.saturating_sub(moment.0)).unwrap_or(0))
    }

    pub(crate) fn unix_of(&self, moment: Moment) -> u64 {
        u64::try_from((self.unix.saturating_sub(self.since(moment))).as_nanos()).unwrap_or(u64::MAX)
    }

    pub(crate) fn moment_of(&self, unix: u64) -> Moment {
        self.before(self.unix.saturating_sub(Duration::from_nanos(unix)))
    }

    pub(crate) fn unix_seconds_of(&self, instant: Instant) -> u64 {
        if instant == Instant::NEVER {
            return u64::MAX;
        }
        (self.unix + instant.since(self.at)).saturating_sub(self.at.since(instant)).as_millis().div_ceil(1000) as u64
    }

    pub(crate) fn instant_of(&self, unix_seconds: u64) -> Instant {
        if unix_seconds == u64::MAX {
            return Instant::NEVER;
        }
        let unix = Duration::from_secs(unix_seconds);
        if unix >= self.unix { self.at + (unix - self.unix) } else { self.at - (self.unix - unix) }
    }
}

/// A single logout as it is remembered: leases of its scope up to this epoch and transaction number are over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cutoff {
    pub(crate) epoch: Epoch,
    pub(crate) sequence: u64,
    /// From when on what it ended may be another client's (H-BR-24).
    pub(crate) free_from: Instant,
}

impl Cutoff {
    /// The number, and the time in Unix seconds if it is still to come.
    pub(crate) fn encode(&self, now: &Now) -> Vec<u8> {
        let mut value = self.sequence.to_be_bytes().to_vec();
        if self.free_from > now.at {
            value.extend_from_slice(&now.unix_seconds_of(self.free_from).to_be_bytes());
        }
        value
    }

    pub(crate) fn decode(epoch: Epoch, value: &[u8], now: &Now) -> Option<Self> {
        let mut reader = Reader(value);
        let sequence = u64::from_be_bytes(reader.array()?);
        let free_from = match reader.0 {
            [] => Instant::ZERO,
            time => now.instant_of(u64::from_be_bytes(time.try_into().ok()?)),
        };
        Some(Self { epoch, sequence, free_from })
    }

    /// Whether whatever `other` ended is ended by this one too.
    pub(crate) fn covers(&self, other: Self) -> bool {
        self.epoch >= other.epoch && self.sequence >= other.sequence
    }
}

/// What a lease is, on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Durable {
    /// In force until it expires.
    Active = 2,
    /// Released by its client.
    Released = 4,
    /// Declined.
    Abandoned = 5,
}

/// A lease record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LeaseRecord<'a> {
    pub(crate) state: Durable,
    pub(crate) hardware: HardwareAddress,
    pub(crate) client_id: &'a [u8],
    pub(crate) agent_information: &'a [u8],
    pub(crate) relay: Ipv4Addr,
    pub(crate) sequence: u64,
    pub(crate) last: Moment,
    pub(crate) expires: Instant,
    pub(crate) scope: Option<Scope>,
}

const VERSION: u8 = 1;

impl<'a> LeaseRecord<'a> {
    /// Whether nobody has the address by it any more, and it is held for nobody.
    pub(crate) fn is_over(&self, now: &Now) -> bool {
        // What was released and not held for a time has a time that never ends.
        self.expires <= now.at || (self.state == Durable::Released && self.expires == Instant::NEVER)
    }

    pub(crate) fn encode(&self, now: &Now) -> Vec<u8> {
        let mut out = Vec::with_capacity(96 + self.client_id.len() + self.agent_information.len());
        out.extend_from_slice(&[VERSION, self.state as u8, self.hardware.htype(), self.hardware.hlen()]);
        out.extend_from_slice(self.hardware.address());
        for field in [self.client_id, self.agent_information] {
            let field = &field[..field.len().min(255)];
            out.push(field.len() as u8); // cut to 255 above
            out.extend_from_slice(field);
        }
        out.extend_from_slice(&self.relay.octets());
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&now.unix_of(self.last).to_be_bytes());
        out.extend_from_slice(&now.unix_seconds_of(self.expires).to_be_bytes());
        if let Some(scope) = &self.scope {
            encode_scope(scope, &mut out);
        }
        out
    }

    pub(crate) fn decode(value: &'a [u8], now: &Now) -> Option<Self> {
        let mut reader = Reader(value);
        let [VERSION, state, htype, hlen] = reader.array()? else { return None };
        let state = match state {
            2 => Durable::Active,
            4 => Durable::Released,
            5 => Durable::Abandoned,
            _ => return None,
        };
        let address = reader.take(usize::from(hlen))?;
        let mut chaddr = [0; 16];
        chaddr.get_mut(..address.len())?.copy_from_slice(address);
        let hardware = HardwareAddress::new(htype, hlen, chaddr)?;
        let client_id = reader.counted()?;
        let agent_information = reader.counted()?;
        let relay = Ipv4Addr::from(reader.array::<4>()?);
        let sequence = u64::from_be_bytes(reader.array()?);
        let last = now.moment_of(u64::from_be_bytes(reader.array()?));
        let expires = now.instant_of(u64::from_be_bytes(reader.array()?));
        let scope = if reader.0.is_empty() { None } else { Some(decode_scope(reader.0)?) };
        Some(Self { state, hardware, client_id, agent_information, relay, sequence, last, expires, scope })
    }
}

/// A scope, as it is on the wire.
pub(crate) fn encode_scope(scope: &Scope, out: &mut Vec<u8>) {
    scope_value(out, &scope.device, &scope.kind, scope.epoch);
}

pub(crate) fn decode_scope(octets: &[u8]) -> Option<Scope> {
    let mut reader = Reader(octets);
    let [kind, id_type] = reader.array()?;
    let id_type = match id_type {
        1 => DeviceIdType::Opaque,
        2 => DeviceIdType::Duid,
        3 => DeviceIdType::Uuid,
        _ => return None,
    };
    let device = DeviceId::new(id_type, reader.counted()?)?;
    let epoch = Epoch(u32::from_be_bytes(reader.array()?));
    let kind = match kind {
        1 => ScopeKind::Address(Ipv4Addr::from(<[u8; 4]>::try_from(reader.0).ok()?)),
        2 => ScopeKind::Group(GroupId::new(reader.counted().filter(|_| reader.0.is_empty())?)?),
        3 if reader.0.is_empty() => ScopeKind::Device,
        _ => return None,
    };
    Some(Scope { device, kind, epoch })
}

/// Key of a lease.
pub(crate) fn lease_key(address: Ipv4Addr) -> Vec<u8> {
    [&b"l"[..], &address.octets()].concat()
}

/// Key of a cut-off; `scope.epoch` is the cut-off.
pub(crate) fn cutoff_key(scope: &Scope) -> Vec<u8> {
    let mut key = b"c".to_vec();
    encode_scope(scope, &mut key);
    key
}

/// Key of the results of a transaction.
pub(crate) fn result_key(device: &[u8], txid: u64) -> Vec<u8> {
    [&b"x"[..], &txid.to_be_bytes(), device].concat()
}

/// Key of the counter of a peer; one of a cluster has a relay identifier, too.
pub(crate) fn replay_key(key_id: u32, relay: u32, device: &[u8]) -> Vec<u8> {
    match relay {
        0 => [&b"r"[..], &key_id.to_be_bytes(), device].concat(),
        _ => [&b"m"[..], &key_id.to_be_bytes(), &relay.to_be_bytes(), device].concat(),
    }
}

/// Key of our own counter.
pub(crate) const OWN_COUNTER: &[u8] = b"n";

/// Key of the secret that nonces are made of.
pub(crate) const SECRET: &[u8] = b"k";

/// Key of the number of a client's nonce.
pub(crate) fn nonce_key(address: Ipv4Addr) -> Vec<u8> {
    [&b"f"[..], &address.octets()].concat()
}

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

/// Address of the lease with this key.
pub(crate) fn leased(key: &[u8]) -> Option<Ipv4Addr> {
    let address = key.strip_prefix(b"l")?;
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?))
}

/// Address of the client that the nonce with this key is of.
pub(crate) fn of_nonce(key: &[u8]) -> Option<Ipv4Addr> {
    let address = key.strip_prefix(b"f")?;
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?))
}

/// Whether servers that share their leases have this record in common: a lease of either version, a cut-off, the results of a
/// single logout, a client's nonce. A cut-off bears on all leases.
pub(crate) fn is_common(key: &[u8]) -> bool {
    matches!(key, [b'l' | b'c' | b'x' | b'f' | v6::record::CLASS, ..])
}

/// Whether it is the record of a cut-off.
pub(crate) fn is_cutoff(key: &[u8]) -> bool {
    key.first() == Some(&b'c') || v6::record::is_cutoff(key)
}

/// What the record with this key is for, in words.
pub(crate) fn name(key: &[u8]) -> String {
    match (key.first(), key.get(1..).and_then(|rest| <[u8; 4]>::try_from(rest).ok())) {
        (Some(b'l'), Some(address)) => format!("the lease of {}", Ipv4Addr::from(address)),
        _ => format!("the record \"{}\"", key.escape_ascii()),
    }
}

/// Reads from the front, never past the end.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn counted(&mut self) -> Option<&'a [u8]> {
        let [length] = self.array()?;
        self.take(usize::from(length))
    }
}
