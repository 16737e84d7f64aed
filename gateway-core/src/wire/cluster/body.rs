//! What follows the header, by type.

use gateway_common::unit::UNITS;

use super::fields::{Fields, within};
use super::message::*;
use super::refused::Refused;
use super::{DATAGRAM_MAX, FRAME_MAX};
use crate::member::{MemberId, Term};

/// Type numbers. 13 to 19 are frames of the members' streams.
mod kind {
    pub(super) const JOIN_REQ: u8 = 1;
    pub(super) const JOIN_OK: u8 = 2;
    pub(super) const JOIN_NAK: u8 = 3;
    pub(super) const MASTER_OFFER: u8 = 4;
    pub(super) const OTHER_MASTER_EXISTS: u8 = 5;
    pub(super) const MASTER_KEEPALIVE: u8 = 6;
    pub(super) const MEMBER_KEEPALIVE: u8 = 7;
    pub(super) const EXIT: u8 = 8;
    pub(super) const UNIT_ASSIGN: u8 = 9;
    pub(super) const UNIT_ASSIGN_ACK: u8 = 10;
    pub(super) const UNIT_DEASSIGN: u8 = 11;
    pub(super) const UNIT_DEASSIGN_ACK: u8 = 12;
    pub(super) const FWD_PACKET: u8 = 20;
    pub(super) const UNIT_STOP: u8 = 21;
    pub(super) const UNIT_STOPPED: u8 = 22;
    pub(super) const FRAME_LEFT: u8 = 23;
}

/// Port of a frame that came from upstream.
const UPSTREAM: u16 = u16::MAX;
/// An Ethernet header.
const FRAME_MIN: usize = 14;

/// Longest body of a type, in octets; `None` when no datagram has this type.
pub(super) fn longest(kind: u8) -> Option<usize> {
    match kind {
        kind::FWD_PACKET => Some(4 + FRAME_MAX),
        1..=12 | kind::UNIT_STOP..=kind::FRAME_LEFT => {
            Some(DATAGRAM_MAX - super::header::LENGTH - super::seal::AUTHENTICATOR)
        }
        _ => None,
    }
}

/// The type of a message.
pub(super) fn kind(body: &Body) -> u8 {
    match body {
        Body::JoinRequest(_) => kind::JOIN_REQ,
        Body::JoinOk { .. } => kind::JOIN_OK,
        Body::JoinRefused { .. } => kind::JOIN_NAK,
        Body::MasterOffer(_) => kind::MASTER_OFFER,
        Body::OtherMasterExists { .. } => kind::OTHER_MASTER_EXISTS,
        Body::MasterKeepalive(_) => kind::MASTER_KEEPALIVE,
        Body::MemberKeepalive(_) => kind::MEMBER_KEEPALIVE,
        Body::Exit { .. } => kind::EXIT,
        Body::UnitAssign { .. } => kind::UNIT_ASSIGN,
        Body::UnitAssignAck(_) => kind::UNIT_ASSIGN_ACK,
        Body::UnitDeassign(_) => kind::UNIT_DEASSIGN,
        Body::UnitDeassignAck { .. } => kind::UNIT_DEASSIGN_ACK,
        Body::ForwardedPacket { .. } => kind::FWD_PACKET,
        Body::UnitStop(_) => kind::UNIT_STOP,
        Body::UnitStopped(_) => kind::UNIT_STOPPED,
        Body::FrameLeft { .. } => kind::FRAME_LEFT,
    }
}

/// Appends a body. Numbers that do not fit their field are cut: whoever calls compares with what [`get`] makes of it.
pub(super) fn put(body: &Body, out: &mut Vec<u8>) {
    match body {
        Body::JoinRequest(JoinRequest { ip, config_version, config_digest, supports, holds, highest, ruled }) => {
            out.extend(ip.octets());
            out.extend(config_version.to_be_bytes());
            out.extend(config_digest.to_be_bytes());
            out.push(supports.map_or(0, MemberId::get));
            out.extend(holds.to_be_bytes());
            out.extend(highest.0.to_be_bytes());
            out.extend(ruled.0.to_be_bytes());
        }
        Body::JoinOk { members, watchdog_ms } => {
            out.push(*members);
            out.extend(watchdog_ms.to_be_bytes());
        }
        Body::JoinRefused { reason, retry_ms } => {
            out.push(*reason as u8);
            out.extend(retry_ms.to_be_bytes());
        }
        Body::MasterOffer(MasterOffer { ip, config_version, members }) => {
            out.extend(ip.octets());
            out.extend(config_version.to_be_bytes());
            out.push(*members);
        }
        Body::OtherMasterExists { master, ip, members } => {
            out.push(master.get());
            out.extend(ip.octets());
            out.push(*members);
        }
        Body::MasterKeepalive(keepalive) => put_master_keepalive(keepalive, out),
        Body::MemberKeepalive(MemberKeepalive { keepalive_seq, units, load, table_version, heard, leaving, ready }) => {
            out.extend(keepalive_seq.to_be_bytes());
            out.extend(units.to_be_bytes());
            out.extend(load.to_be_bytes());
            out.extend(table_version.to_be_bytes());
            out.extend(heard.to_be_bytes());
            out.push((*leaving).into());
            out.push((*ready).into());
        }
        Body::Exit { reason } => out.push(*reason),
        Body::UnitAssign { units, after } => {
            out.push(after.map_or(0, |mark| mark.origin.get()));
            out.extend(after.map_or(0, |mark| mark.seq).to_be_bytes());
            put_assignments(units, out);
        }
        Body::UnitAssignAck(units) | Body::UnitDeassign(units) | Body::UnitStop(units) | Body::UnitStopped(units) => {
            put_assignments(units, out)
        }
        Body::FrameLeft { unit, version, name } => {
            out.extend((unit.index() as u16).to_be_bytes());
            out.extend(version.0.to_be_bytes());
            out.extend(name.to_be_bytes());
        }
        Body::UnitDeassignAck { units, last_seq } => {
            out.extend(last_seq.to_be_bytes());
            put_assignments(units, out);
        }
        Body::ForwardedPacket { unit, port, frame } => {
            out.extend((unit.index() as u16).to_be_bytes());
            out.extend(port.unwrap_or(UPSTREAM).to_be_bytes());
            out.extend(frame);
        }
    }
}

fn put_master_keepalive(keepalive: &MasterKeepalive, out: &mut Vec<u8>) {
    out.extend(keepalive.keepalive_seq.to_be_bytes());
    out.push(keepalive.n);
    out.extend(keepalive.watchdog_ms.to_be_bytes());
    out.push(keepalive.members.len() as u8);
    for MemberState { id, ip, units, heard, leaving } in &keepalive.members {
        out.extend(u32::from(id.get()).to_be_bytes());
        out.extend(ip.octets());
        out.extend(units.to_be_bytes());
        out.extend(heard.to_be_bytes());
        out.push(u8::from(*leaving));
    }
    out.push(keepalive.drained.len() as u8);
    out.extend(keepalive.drained.iter().map(|id| id.get()));
    out.extend(keepalive.table_version.to_be_bytes());
    out.extend(keepalive.table_digest.to_be_bytes());
    out.push(keepalive.table.as_ref().map_or(0, |chunk| chunk.entries.len() as u8));
    if let Some(TableChunk { first, entries }) = &keepalive.table {
        out.extend((first.index() as u16).to_be_bytes());
        for TableEntry { owner, version } in entries {
            out.push(owner.map_or(0, MemberId::get));
            out.extend(version.0.to_be_bytes());
        }
    }
}

fn put_assignments(units: &[Assignment], out: &mut Vec<u8>) {
    out.extend((units.len() as u16).to_be_bytes());
    for Assignment { unit, version, owner } in units {
        out.extend((unit.index() as u16).to_be_bytes());
        out.extend(version.0.to_be_bytes());
        out.push(owner.get());
    }
}

/// Reads the body of a type, to its last octet.
pub(super) fn get(kind: u8, octets: &[u8]) -> Result<Body, Refused> {
    let mut fields = Fields::new(octets);
    let body = match kind {
        kind::JOIN_REQ => Body::JoinRequest(JoinRequest {
            ip: fields.ip()?,
            config_version: fields.u32()?,
            config_digest: fields.u64()?,
            supports: fields.nobody_or_member()?,
            holds: unit_count(&mut fields)?,
            highest: fields.version()?,
            ruled: Term(fields.u32()?),
        }),
        kind::JOIN_OK => Body::JoinOk { members: members(&mut fields)?, watchdog_ms: watchdog(&mut fields)? },
        kind::JOIN_NAK => Body::JoinRefused { reason: refusal(fields.u8()?)?, retry_ms: fields.u16()? },
        kind::MASTER_OFFER => Body::MasterOffer(MasterOffer {
            ip: fields.ip()?,
            config_version: fields.u32()?,
            members: members(&mut fields)?,
        }),
        kind::OTHER_MASTER_EXISTS => {
            Body::OtherMasterExists { master: fields.member()?, ip: fields.ip()?, members: members(&mut fields)? }
        }
        kind::MASTER_KEEPALIVE => Body::MasterKeepalive(get_master_keepalive(&mut fields)?),
        kind::MEMBER_KEEPALIVE => Body::MemberKeepalive(MemberKeepalive {
            keepalive_seq: fields.u64()?,
            units: unit_count(&mut fields)?,
            load: fields.u32()?,
            table_version: fields.u32()?,
            heard: fields.u64()?,
            leaving: fields.flag()?,
            ready: fields.flag()?,
        }),
        kind::EXIT => Body::Exit { reason: within(fields.u8()?, 0..=4, "reason")? },
        kind::UNIT_ASSIGN => {
            let (origin, seq) = (fields.nobody_or_member()?, fields.u64()?);
            if origin.is_none() && seq != 0 {
                return Err(Refused::Value("mark of nobody"));
            }
            let after = origin.map(|origin| StateMark { origin, seq });
            Body::UnitAssign { units: get_assignments(&mut fields)?, after }
        }
        kind::UNIT_ASSIGN_ACK => Body::UnitAssignAck(get_assignments(&mut fields)?),
        kind::UNIT_DEASSIGN => Body::UnitDeassign(get_assignments(&mut fields)?),
        kind::UNIT_DEASSIGN_ACK => {
            let last_seq = fields.u64()?;
            Body::UnitDeassignAck { units: get_assignments(&mut fields)?, last_seq }
        }
        kind::UNIT_STOP => Body::UnitStop(get_assignments(&mut fields)?),
        kind::UNIT_STOPPED => Body::UnitStopped(get_assignments(&mut fields)?),
        kind::FRAME_LEFT => Body::FrameLeft { unit: fields.unit()?, version: fields.version()?, name: fields.u64()? },
        kind::FWD_PACKET => {
            let (unit, port) = (fields.unit()?, fields.u16()?);
            let frame = fields.rest().to_vec();
            within(frame.len(), FRAME_MIN..=FRAME_MAX, "frame")?;
            Body::ForwardedPacket { unit, port: (port != UPSTREAM).then_some(port), frame }
        }
        unknown => return Err(Refused::Type(unknown)),
    };
    fields.end()?;
    Ok(body)
}

fn get_master_keepalive(fields: &mut Fields<'_>) -> Result<MasterKeepalive, Refused> {
    let keepalive_seq = fields.u64()?;
    let (n, watchdog_ms) = (within(fields.u8()?, 2..=20, "n")?, watchdog(fields)?);
    let count = members(fields)?;
    let member = |_| {
        Ok(MemberState {
            id: fields.long_member()?,
            ip: fields.ip()?,
            units: unit_count(fields)?,
            heard: fields.u64()?,
            leaving: fields.flag()?,
        })
    };
    let members = (0..count).map(member).collect::<Result<_, Refused>>()?;
    let count = within(fields.u8()?, 0..=MEMBERS_MAX as u8, "count of drained members")?;
    let drained = (0..count).map(|_| fields.member()).collect::<Result<_, Refused>>()?;
    let (table_version, table_digest) = (fields.u32()?, fields.u64()?);
    let table = match fields.u8()? {
        0 => None,
        entries => Some(get_chunk(fields, usize::from(entries))?),
    };
    Ok(MasterKeepalive { keepalive_seq, n, watchdog_ms, members, drained, table_version, table_digest, table })
}

fn get_chunk(fields: &mut Fields<'_>, count: usize) -> Result<TableChunk, Refused> {
    let first = fields.unit()?;
    within(count, 1..=TABLE_CHUNK.min((UNITS - first.index()) as usize), "table")?;
    let entry = |_| Ok(TableEntry { owner: fields.nobody_or_member()?, version: fields.version()? });
    Ok(TableChunk { first, entries: (0..count).map(entry).collect::<Result<_, Refused>>()? })
}

fn get_assignments(fields: &mut Fields<'_>) -> Result<Vec<Assignment>, Refused> {
    let count = within(usize::from(fields.u16()?), 1..=ASSIGNMENTS_MAX, "count of units")?;
    let one = |_| Ok(Assignment { unit: fields.unit()?, version: fields.version()?, owner: fields.member()? });
    (0..count).map(one).collect()
}

fn members(fields: &mut Fields<'_>) -> Result<u8, Refused> {
    within(fields.u8()?, 1..=MEMBERS_MAX as u8, "count of members")
}

fn unit_count(fields: &mut Fields<'_>) -> Result<u16, Refused> {
    within(fields.u16()?, 0..=UNITS as u16, "count of units")
}

fn watchdog(fields: &mut Fields<'_>) -> Result<u16, Refused> {
    within(fields.u16()?, 1..=u16::MAX, "watchdog")
}

fn refusal(reason: u8) -> Result<JoinRefusal, Refused> {
    use JoinRefusal::*;
    let all = [InProgress, UnknownCertificate, NotAuthenticated, Objection, Configuration, Full, NotMaster];
    all.into_iter().find(|known| *known as u8 == reason).ok_or(Refused::Value("reason"))
}
