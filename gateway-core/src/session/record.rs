//! Sessions and cohorts on disk.
//!
//! | key | value |
//! |---|---|
//! | `s` address(4) | version, flags, slot u32, epoch u32, cohort u16, port u16, outer tpid u16 vid u16, inner tpid u16 vid u16, htype, hlen, hardware(hlen), server id(4), giaddr(4), at u64, expires u64, client-id length u16 + octets, option 82 length u16 + octets, in a cluster: stamp u64 |
//! | `c` cohort u16 | version, flags, fpc u16, server(4), ended u32, scope kind u8 (0 none, 1 address, 2 group, 3 device), address(4) or group length u8 + octets |
//!
//! Line cards and ports go by their [`Numbering`]. Integers are big-endian, times are milliseconds of Unix time (`u64::MAX`: never). A cohort's `ended` is what makes
//! one small write the end of any number of sessions: session records of that cohort with an epoch up to it are dead,
//! whether or not they have been deleted yet.

use core::net::Ipv4Addr;

use gateway_common::vlan::{VlanTag, VlanTags};

use super::numbering::Numbering;
use super::table::Session;
use super::words::{Cohort, CohortId};
use crate::line::{FpcId, HardwareAddress, Line, PortId};
use crate::octets::Reader;
use crate::replication::Stamp;
use crate::scope::{Epoch, GroupId, ScopeKind};
use crate::time::WallClock;

/// First octet of a session's key.
pub const SESSION_PREFIX: u8 = b's';
/// First octet of a cohort's key.
pub const COHORT_PREFIX: u8 = b'c';

const VERSION: u8 = 1;
const ORPHANED: u8 = 1;
const HAS_CLIENT_ID: u8 = 2;
const HAS_STAMP: u8 = 4;
const HAS_ENDED: u8 = 1;

/// Key of a session's record.
pub(super) fn session_key(address: Ipv4Addr) -> Vec<u8> {
    let [a, b, c, d] = address.octets();
    vec![SESSION_PREFIX, a, b, c, d]
}

/// Key of a cohort's record.
pub(super) fn cohort_key(id: CohortId) -> Vec<u8> {
    let [a, b] = id.0.to_be_bytes();
    vec![COHORT_PREFIX, a, b]
}

/// Value of a session's record.
pub(super) fn encode_session(slot: u32, session: &Session, numbering: &Numbering, clock: &WallClock) -> Vec<u8> {
    let client_id = session.client_id.as_deref();
    let mut out = Vec::with_capacity(64 + client_id.map_or(0, <[u8]>::len) + session.agent_information.len());
    let flag = |set, flag| if set { flag } else { 0 };
    let stamped = session.stamp != Stamp::NONE;
    let flags = flag(session.orphaned, ORPHANED) | flag(client_id.is_some(), HAS_CLIENT_ID) | flag(stamped, HAS_STAMP);
    out.extend([VERSION, flags]);
    out.extend(slot.to_be_bytes());
    out.extend(session.epoch.0.to_be_bytes());
    out.extend(session.cohort.0.to_be_bytes());
    out.extend(numbering.stored_port(session.line.port).to_be_bytes());
    for tag in [session.line.tags.outer, session.line.tags.inner] {
        out.extend(tag.tpid.to_be_bytes());
        out.extend(tag.vid.to_be_bytes());
    }
    out.extend([session.hardware.htype(), session.hardware.hlen()]);
    out.extend(session.hardware.address());
    out.extend(session.server_identifier.octets());
    out.extend(session.giaddr.octets());
    out.extend(clock.to_unix_millis(session.at).to_be_bytes());
    out.extend(clock.to_unix_millis(session.expires).to_be_bytes());
    for octets in [client_id.unwrap_or_default(), &session.agent_information] {
        // Both come out of one datagram, so they fit; a cut would only make a RELEASE less exact.
        let octets = &octets[..octets.len().min(usize::from(u16::MAX))];
        out.extend((octets.len() as u16).to_be_bytes());
        out.extend(octets);
    }
    if stamped {
        out.extend(session.stamp.get().to_be_bytes());
    }
    out
}

/// A session and its slot from a record, its port still by its number on disk; `None` when it is not one.
pub(super) fn decode_session(key: &[u8], value: &[u8], clock: &WallClock) -> Option<(u32, Session)> {
    let mut key = Reader(key.strip_prefix(&[SESSION_PREFIX])?);
    let address = key.address()?;
    key.end()?;
    let mut reader = Reader(value);
    let [VERSION, flags] = reader.take()? else { return None };
    let slot = u32::from_be_bytes(reader.take()?);
    let epoch = Epoch(u32::from_be_bytes(reader.take()?));
    let cohort = CohortId(reader.u16()?);
    let port = PortId(reader.u16()?);
    let mut tag = || Some(VlanTag { tpid: reader.u16()?, vid: reader.u16()? });
    let tags = VlanTags { outer: tag()?, inner: tag()? };
    let [htype, hlen] = reader.take()?;
    let mut chaddr = [0; 16];
    chaddr.get_mut(..usize::from(hlen))?.copy_from_slice(reader.slice(usize::from(hlen))?);
    let hardware = HardwareAddress::new(htype, hlen, chaddr)?;
    let server_identifier = reader.address()?;
    let giaddr = reader.address()?;
    let at = clock.from_unix_millis(u64::from_be_bytes(reader.take()?));
    let expires = clock.from_unix_millis(u64::from_be_bytes(reader.take()?));
    let client_id = reader.counted()?;
    let agent_information = reader.counted()?.into();
    let stamp = if flags & HAS_STAMP != 0 { Stamp::from_raw(reader.u64()?) } else { Stamp::NONE };
    reader.end()?;
    let session = Session {
        address,
        hardware,
        client_id: (flags & HAS_CLIENT_ID != 0).then(|| client_id.into()),
        line: Line { port, tags },
        cohort,
        epoch,
        server_identifier,
        giaddr,
        agent_information,
        at,
        expires,
        orphaned: flags & ORPHANED != 0,
        stamp,
        ..Session::blank()
    };
    Some((slot, session))
}

/// Value of a cohort's record.
pub(super) fn encode_cohort(cohort: &Cohort, numbering: &Numbering) -> Vec<u8> {
    let mut out = vec![VERSION, if cohort.ended.is_some() { HAS_ENDED } else { 0 }];
    out.extend(numbering.stored_fpc(cohort.fpc).to_be_bytes());
    out.extend(cohort.server.octets());
    out.extend(cohort.ended.unwrap_or_default().0.to_be_bytes());
    match &cohort.scope {
        None => out.push(0),
        Some(ScopeKind::Address(address)) => {
            out.push(1);
            out.extend(address.octets());
        }
        Some(ScopeKind::Group(group)) => {
            out.extend([2, group.octets().len() as u8]);
            out.extend(group.octets());
        }
        Some(ScopeKind::Device) => out.push(3),
    }
    out
}

/// A cohort from its record, its FPC still by its number on disk; `None` when it is not one.
pub(super) fn decode_cohort(key: &[u8], value: &[u8]) -> Option<(CohortId, Cohort)> {
    let mut key = Reader(key.strip_prefix(&[COHORT_PREFIX])?);
    let id = CohortId(key.u16()?);
    key.end()?;
    let mut reader = Reader(value);
    let [VERSION, flags] = reader.take()? else { return None };
    let fpc = FpcId(reader.u16()?);
    let server = reader.address()?;
    let ended = Epoch(u32::from_be_bytes(reader.take()?));
    let scope = match reader.take()? {
        [0] => None,
        [1] => Some(ScopeKind::Address(reader.address()?)),
        [2] => {
            let [length] = reader.take()?;
            Some(ScopeKind::Group(GroupId::new(reader.slice(usize::from(length))?)?))
        }
        [3] => Some(ScopeKind::Device),
        _ => return None,
    };
    reader.end()?;
    Some((id, Cohort { fpc, server, scope, ended: (flags & HAS_ENDED != 0).then_some(ended) }))
}
