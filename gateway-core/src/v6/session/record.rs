//! Leases and cohorts on disk.
//!
//! | key | value |
//! |---|---|
//! | `6l` prefix(16) length u8 | version, flags, slot u32, IA kind u8, IAID u32, epoch u32, cohort u16, port u16, outer tpid u16 vid u16, inner tpid u16 vid u16, MAC(6), peer(16), at u64, expires u64, in a cluster: stamp u64, client DUID(rest) |
//! | `6c` cohort u16 | version, flags, fpc u16, server(16), ended u32, server DUID(rest) |
//!
//! Line cards and ports go by their [`Numbering`]. Integers are big-endian, times are milliseconds of Unix time (`u64::MAX`:
//! never). A cohort's `ended` is what makes one small write the end of any number of leases, as with DHCPv4. A session
//! has no record: it comes back with its leases.

use core::net::Ipv6Addr;

use gateway_common::vlan::{VlanTag, VlanTags};

use super::lease::{Cohort, Lease, Session};
use crate::line::{FpcId, Line, PortId};
use crate::octets::Reader;
use crate::replication::Stamp;
use crate::scope::Epoch;
use crate::session::cohort::Link;
use crate::session::wheel::Timer;
use crate::session::{CohortId, Numbering};
use crate::time::WallClock;
use crate::wire::dhcp6::{DuidBuf, IaKind, Prefix};

/// First octet of every key here.
pub const PREFIX: u8 = b'6';

const LEASE: &[u8] = &[PREFIX, b'l'];
const COHORT: &[u8] = &[PREFIX, b'c'];
const VERSION: u8 = 1;
const ORPHANED: u8 = 1;
const HAS_STAMP: u8 = 2;
const RELAYED: u8 = 4;
const DIRECT: u8 = 8;
const NAMED: u8 = 16;
const HAS_ENDED: u8 = 1;
const TAGGED: u8 = 2;
const KINDS: [IaKind; 3] = [IaKind::Na, IaKind::Ta, IaKind::Pd];

/// Key of a lease's record.
pub(super) fn lease_key(prefix: Prefix) -> Vec<u8> {
    [LEASE, &prefix.address().octets(), &[prefix.length()]].concat()
}

/// Key of a cohort's record.
pub(super) fn cohort_key(id: CohortId) -> Vec<u8> {
    [COHORT, &id.0.to_be_bytes()].concat()
}

/// Value of a lease's record.
pub(super) fn encode_lease(
    slot: u32,
    lease: &Lease,
    session: &Session,
    numbering: &Numbering,
    clock: &WallClock,
) -> Vec<u8> {
    let client = session.client.as_duid().octets();
    let mut out = Vec::with_capacity(65 + client.len());
    let stamped = lease.stamp != Stamp::NONE;
    let flag = |set, flag| if set { flag } else { 0 };
    let flags = flag(lease.orphaned, ORPHANED) | flag(stamped, HAS_STAMP);
    let flags = flags | if session.relayed { RELAYED } else { DIRECT } | flag(lease.iaid.is_some(), NAMED);
    out.extend([VERSION, flags]);
    out.extend(slot.to_be_bytes());
    out.push(lease.kind as u8);
    out.extend(lease.iaid.unwrap_or(0).to_be_bytes());
    out.extend(lease.epoch.0.to_be_bytes());
    out.extend(lease.cohort.0.to_be_bytes());
    out.extend(numbering.stored_port(session.line.port).to_be_bytes());
    for tag in [session.line.tags.outer, session.line.tags.inner] {
        out.extend(tag.tpid.to_be_bytes());
        out.extend(tag.vid.to_be_bytes());
    }
    out.extend(session.mac);
    out.extend(session.peer.octets());
    out.extend(clock.to_unix_millis(lease.at).to_be_bytes());
    out.extend(clock.to_unix_millis(lease.expires).to_be_bytes());
    if stamped {
        out.extend(lease.stamp.get().to_be_bytes());
    }
    out.extend(client);
    out
}

/// A lease with its slot, and its session as it was then, from a record; the port still by its number on disk. `None` when
/// it is not one.
pub(super) fn decode_lease(key: &[u8], value: &[u8], clock: &WallClock) -> Option<(u32, Lease, Session)> {
    let mut key = Reader(key.strip_prefix(LEASE)?);
    let (address, length) = (Ipv6Addr::from(key.take::<16>()?), key.u8()?);
    key.end()?;
    let prefix = Prefix::new(address, length).filter(|prefix| prefix.address() == address)?;
    let mut reader = Reader(value);
    let [VERSION, flags] = reader.take()? else { return None };
    let slot = reader.u32()?;
    let kind = *KINDS.get(usize::from(reader.u8()?))?;
    let (iaid, epoch, cohort) = (reader.u32()?, Epoch(reader.u32()?), CohortId(reader.u16()?));
    let port = PortId(reader.u16()?);
    let mut tag = || Some(VlanTag { tpid: reader.u16()?, vid: reader.u16()? });
    let tags = VlanTags { outer: tag()?, inner: tag()? };
    let (mac, peer) = (reader.take()?, Ipv6Addr::from(reader.take::<16>()?));
    let (at, expires) = (clock.from_unix_millis(reader.u64()?), clock.from_unix_millis(reader.u64()?));
    let stamp = if flags & HAS_STAMP != 0 { Stamp::from_raw(reader.u64()?) } else { Stamp::NONE };
    let client = DuidBuf::new(reader.0)?;
    // Before this was told, 0 was a name, and that of what had none.
    let iaid = (flags & NAMED != 0 || iaid != 0).then_some(iaid);
    let orphaned = flags & ORPHANED != 0;
    let (session, link, timer) = (0, Link::NONE, Timer::IDLE);
    let lease = Lease { prefix, kind, iaid, cohort, epoch, at, expires, orphaned, stamp, session, port, link, timer };
    // A record from before this was told says neither. Who spoke for itself did so from its link-local address.
    let relayed = flags & RELAYED != 0 || (flags & DIRECT == 0 && !peer.is_unicast_link_local());
    Some((slot, lease, Session { client, line: Line { port, tags }, mac, relayed, peer, slots: Vec::new() }))
}

/// Value of a cohort's record.
pub(super) fn encode_cohort(cohort: &Cohort, numbering: &Numbering) -> Vec<u8> {
    let flag = |set, flag| if set { flag } else { 0 };
    let mut out = vec![VERSION, flag(cohort.ended.is_some(), HAS_ENDED) | flag(cohort.tagged, TAGGED)];
    out.extend(numbering.stored_fpc(cohort.fpc).to_be_bytes());
    out.extend(cohort.server.octets());
    out.extend(cohort.ended.unwrap_or_default().0.to_be_bytes());
    out.extend(cohort.server_id.as_duid().octets());
    out
}

/// A cohort from its record, its FPC still by its number on disk; `None` when it is not one.
pub(super) fn decode_cohort(key: &[u8], value: &[u8]) -> Option<(CohortId, Cohort)> {
    let mut key = Reader(key.strip_prefix(COHORT)?);
    let id = CohortId(key.u16()?);
    key.end()?;
    let mut reader = Reader(value);
    let [VERSION, flags] = reader.take()? else { return None };
    let (fpc, server) = (FpcId(reader.u16()?), Ipv6Addr::from(reader.take::<16>()?));
    let ended = Epoch(reader.u32()?);
    let server_id = DuidBuf::new(reader.0)?;
    let (tagged, ended) = (flags & TAGGED != 0, (flags & HAS_ENDED != 0).then_some(ended));
    Some((id, Cohort { fpc, server, server_id, tagged, ended }))
}
