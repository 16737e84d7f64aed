//! Changes in octets. All integers are big-endian.
//!
//! ```text
//! session    1  flags(1 orphaned, 2 client-id)  essential'  fpc u16  port u16  2 × (tpid u16 vid u16)  server 4
//!               server-id 4  giaddr 4  scope  client-id u16+n  option 82 u16+n
//! essential  2  flags  essential'                    essential' = address 4  htype hlen hardware(hlen)  epoch u32  at u64  expires u64
//! orphaned   3  address 4  of u64
//! ended      4  address 4  htype hlen hardware(hlen)  epoch u32  reason u8  of u64
//! cutoff     5  name u16+n  server 4  scope  ended u32
//! fpc        6  name u16+n  record u16+n
//! journal    7  key u16+n  there u8  value u32+n
//! replay     8  server 4  through u64
//! capability 9  key u16+n  value u16+n               scope = 0 | 1 address 4 | 2 length u8 octets | 3
//! ```

use core::net::Ipv4Addr;

use gateway_common::vlan::{VlanTag, VlanTags};

use super::change::{Change, Essential, Initial, SessionState};
use super::codec6;
use super::stamp::Stamp;
use crate::line::{FpcId, HardwareAddress, Line, PortId};
use crate::octets::Reader;
use crate::scope::{Epoch, GroupId, ScopeKind};
use crate::session::EndReason;

const ORPHANED: u8 = 1;
const HAS_CLIENT_ID: u8 = 2;

/// Appends a change.
pub(super) fn encode(change: &Change, out: &mut Vec<u8>) {
    match change {
        Change::Session(session) => {
            let SessionState { initial, essential } = &**session;
            out.push(1);
            let flags = if initial.client_id.is_some() { HAS_CLIENT_ID } else { 0 };
            put_essential(essential, flags, out);
            out.extend(initial.fpc.0.to_be_bytes());
            out.extend(initial.line.port.0.to_be_bytes());
            for tag in [initial.line.tags.outer, initial.line.tags.inner] {
                out.extend(tag.tpid.to_be_bytes());
                out.extend(tag.vid.to_be_bytes());
            }
            for address in [initial.server, initial.server_identifier, initial.giaddr] {
                out.extend(address.octets());
            }
            put_scope(initial.scope.as_ref(), out);
            put(initial.client_id.as_deref().unwrap_or_default(), out);
            put(&initial.agent_information, out);
        }
        Change::Essential(essential) => {
            out.push(2);
            put_essential(essential, 0, out);
        }
        Change::Orphaned { address, of } => {
            out.push(3);
            out.extend(address.octets());
            out.extend(of.get().to_be_bytes());
        }
        Change::Ended { address, hardware, epoch, reason, of } => {
            out.push(4);
            out.extend(address.octets());
            put_hardware(hardware, out);
            out.extend(epoch.0.to_be_bytes());
            out.push(*reason as u8);
            out.extend(of.get().to_be_bytes());
        }
        Change::Cutoff { fpc, server, scope, ended } => {
            out.push(5);
            put(fpc.as_bytes(), out);
            out.extend(server.octets());
            put_scope(scope.as_ref(), out);
            out.extend(ended.0.to_be_bytes());
        }
        Change::Fpc { name, record } => {
            out.push(6);
            put(name.as_bytes(), out);
            put(record, out);
        }
        Change::Journal { key, value } => {
            out.push(7);
            put(key, out);
            out.push(u8::from(value.is_some()));
            let value = value.as_deref().unwrap_or_default();
            out.extend((value.len() as u32).to_be_bytes());
            out.extend(value);
        }
        Change::ReplayReserved { server, through } => {
            out.push(8);
            out.extend(server.octets());
            out.extend(through.to_be_bytes());
        }
        Change::Capability { key, value } => {
            out.push(9);
            put(key, out);
            put(value, out);
        }
        change => codec6::encode(change, out),
    }
}

/// A change; `None` when it is not exactly one.
pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Change> {
    Some(match reader.u8()? {
        1 => {
            let (essential, flags) = take_essential(reader, HAS_CLIENT_ID)?;
            let (fpc, port) = (FpcId(reader.u16()?), PortId(reader.u16()?));
            let mut tag = || Some(VlanTag { tpid: reader.u16()?, vid: reader.u16()? });
            let tags = VlanTags { outer: tag()?, inner: tag()? };
            let (server, server_identifier, giaddr) = (reader.address()?, reader.address()?, reader.address()?);
            let scope = take_scope(reader)?;
            let client_id = reader.counted()?;
            if flags & HAS_CLIENT_ID == 0 && !client_id.is_empty() {
                return None;
            }
            let initial = Initial {
                client_id: (flags & HAS_CLIENT_ID != 0).then(|| client_id.into()),
                line: Line { port, tags },
                fpc,
                server,
                server_identifier,
                giaddr,
                agent_information: reader.counted()?.into(),
                scope,
            };
            Change::Session(Box::new(SessionState { initial, essential }))
        }
        2 => Change::Essential(take_essential(reader, 0)?.0),
        3 => Change::Orphaned { address: reader.address()?, of: Stamp::from_raw(reader.u64()?) },
        4 => Change::Ended {
            address: reader.address()?,
            hardware: take_hardware(reader)?,
            epoch: Epoch(reader.u32()?),
            reason: *EndReason::ALL.get(usize::from(reader.u8()?))?,
            of: Stamp::from_raw(reader.u64()?),
        },
        5 => Change::Cutoff {
            fpc: take_name(reader)?,
            server: reader.address()?,
            scope: take_scope(reader)?,
            ended: Epoch(reader.u32()?),
        },
        6 => Change::Fpc { name: take_name(reader)?, record: reader.counted()?.to_vec() },
        7 => {
            let key = reader.counted()?.to_vec();
            let there = reader.u8()?;
            let length = reader.u32()?;
            let value = reader.slice(usize::try_from(length).ok()?)?;
            let value = match (there, value) {
                (0, []) => None,
                (1, value) => Some(value.to_vec()),
                _ => return None,
            };
            Change::Journal { key, value }
        }
        8 => Change::ReplayReserved { server: reader.address()?, through: reader.u64()? },
        9 => Change::Capability { key: reader.counted()?.to_vec(), value: reader.counted()?.to_vec() },
        number => codec6::decode(number, reader)?,
    })
}

pub(super) fn put(octets: &[u8], out: &mut Vec<u8>) {
    // Options, names and keys, all of which fit; a cut would only make a RELEASE less exact.
    let octets = &octets[..octets.len().min(usize::from(u16::MAX))];
    out.extend((octets.len() as u16).to_be_bytes());
    out.extend(octets);
}

fn put_hardware(hardware: &HardwareAddress, out: &mut Vec<u8>) {
    out.extend([hardware.htype(), hardware.hlen()]);
    out.extend(hardware.address());
}

fn put_essential(essential: &Essential, flags: u8, out: &mut Vec<u8>) {
    let Essential { address, hardware, epoch, at, expires, orphaned } = essential;
    out.push(flags | if *orphaned { ORPHANED } else { 0 });
    out.extend(address.octets());
    put_hardware(hardware, out);
    out.extend(epoch.0.to_be_bytes());
    out.extend(at.to_be_bytes());
    out.extend(expires.to_be_bytes());
}

fn put_scope(scope: Option<&ScopeKind>, out: &mut Vec<u8>) {
    match scope {
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
}

fn take_hardware(reader: &mut Reader<'_>) -> Option<HardwareAddress> {
    let [htype, hlen] = reader.take()?;
    let mut chaddr = [0; 16];
    chaddr.get_mut(..usize::from(hlen))?.copy_from_slice(reader.slice(usize::from(hlen))?);
    HardwareAddress::new(htype, hlen, chaddr)
}

/// With the flags, of which only `known` and [`ORPHANED`] may be set.
fn take_essential(reader: &mut Reader<'_>, known: u8) -> Option<(Essential, u8)> {
    let flags = reader.u8()?;
    if flags & !(known | ORPHANED) != 0 {
        return None;
    }
    let address: Ipv4Addr = reader.address()?;
    let hardware = take_hardware(reader)?;
    let (epoch, at, expires) = (Epoch(reader.u32()?), reader.u64()?, reader.u64()?);
    Some((Essential { address, hardware, epoch, at, expires, orphaned: flags & ORPHANED != 0 }, flags))
}

fn take_scope(reader: &mut Reader<'_>) -> Option<Option<ScopeKind>> {
    Some(match reader.u8()? {
        0 => None,
        1 => Some(ScopeKind::Address(reader.address()?)),
        2 => {
            let length = reader.u8()?;
            Some(ScopeKind::Group(GroupId::new(reader.slice(usize::from(length))?)?))
        }
        3 => Some(ScopeKind::Device),
        _ => return None,
    })
}

pub(super) fn take_name(reader: &mut Reader<'_>) -> Option<String> {
    String::from_utf8(reader.counted()?.to_vec()).ok()
}
