//! Changes of DHCPv6 in octets. All integers are big-endian.
//!
//! ```text
//! lease      10  flags(1 orphaned, 2 tagged, 4 relayed, 8 no IAID)  prefix  epoch u32  at u64  expires u64  IA kind u8  IAID u32
//!                fpc u16  line  MAC 6  peer 16  server 16  server DUID u16+n  client DUID u16+n
//! orphaned   11  prefix  of u64
//! ended      12  prefix  of u64
//! cutoff     13  tagged u8  name u16+n  server 16  server DUID u16+n  ended u32        prefix = address 16  length u8
//! spoke      14  line  client DUID u16+n                                               line = port u16  2 × (tpid u16 vid u16)
//! ```

use core::net::Ipv6Addr;

use gateway_common::vlan::{VlanTag, VlanTags};

use super::change::{Change, Essential6, Initial6, LeaseState};
use super::codec::{put, take_name};
use super::stamp::Stamp;
use crate::line::{FpcId, Line, PortId};
use crate::octets::Reader;
use crate::scope::Epoch;
use crate::wire::dhcp6::{DuidBuf, IaKind, Prefix};

const KINDS: [IaKind; 3] = [IaKind::Na, IaKind::Ta, IaKind::Pd];

/// Appends a change; nothing when it is none of DHCPv6.
pub(super) fn encode(change: &Change, out: &mut Vec<u8>) {
    match change {
        Change::Lease6(state) => {
            let LeaseState { initial, essential } = &**state;
            let flags = [essential.orphaned, initial.tagged, initial.relayed, initial.iaid.is_none()];
            out.extend([10, flags.iter().rev().fold(0, |flags, flag| flags << 1 | u8::from(*flag))]);
            put_prefix(essential.prefix, out);
            out.extend(essential.epoch.0.to_be_bytes());
            out.extend(essential.at.to_be_bytes());
            out.extend(essential.expires.to_be_bytes());
            out.push(initial.kind as u8);
            out.extend(initial.iaid.unwrap_or(0).to_be_bytes());
            out.extend(initial.fpc.0.to_be_bytes());
            put_line(initial.line, out);
            out.extend(initial.mac);
            out.extend(initial.peer.octets());
            out.extend(initial.server.octets());
            put(initial.server_id.as_duid().octets(), out);
            put(initial.client.as_duid().octets(), out);
        }
        Change::Orphaned6 { prefix, of } | Change::Ended6 { prefix, of } => {
            out.push(if matches!(change, Change::Orphaned6 { .. }) { 11 } else { 12 });
            put_prefix(*prefix, out);
            out.extend(of.get().to_be_bytes());
        }
        Change::Cutoff6 { fpc, server, server_id, tagged, ended } => {
            out.extend([13, u8::from(*tagged)]);
            put(fpc.as_bytes(), out);
            out.extend(server.octets());
            put(server_id.as_duid().octets(), out);
            out.extend(ended.0.to_be_bytes());
        }
        Change::Spoke6 { client, line } => {
            out.push(14);
            put_line(*line, out);
            put(client.as_duid().octets(), out);
        }
        _ => {}
    }
}

/// A change behind its number; `None` when it is not exactly one.
pub(super) fn decode(number: u8, reader: &mut Reader<'_>) -> Option<Change> {
    Some(match number {
        10 => {
            let flags = reader.u8()?;
            if flags > 15 {
                return None;
            }
            let (orphaned, tagged, relayed) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
            let prefix = take_prefix(reader)?;
            let (epoch, at, expires) = (Epoch(reader.u32()?), reader.u64()?, reader.u64()?);
            let kind = *KINDS.get(usize::from(reader.u8()?))?;
            let iaid = match (flags & 8 == 0, reader.u32()?) {
                (true, iaid) => Some(iaid),
                (false, 0) => None,
                (false, _) => return None,
            };
            let (fpc, line) = (FpcId(reader.u16()?), take_line(reader)?);
            let (mac, peer, server) = (reader.take()?, take_address(reader)?, take_address(reader)?);
            let server_id = DuidBuf::new(reader.counted()?)?;
            let client = DuidBuf::new(reader.counted()?)?;
            let initial = Initial6 { client, line, mac, relayed, peer, fpc, server, server_id, tagged, kind, iaid };
            let essential = Essential6 { prefix, epoch, at, expires, orphaned };
            Change::Lease6(Box::new(LeaseState { initial, essential }))
        }
        11 => Change::Orphaned6 { prefix: take_prefix(reader)?, of: Stamp::from_raw(reader.u64()?) },
        12 => Change::Ended6 { prefix: take_prefix(reader)?, of: Stamp::from_raw(reader.u64()?) },
        13 => Change::Cutoff6 {
            tagged: match reader.u8()? {
                0 => false,
                1 => true,
                _ => return None,
            },
            fpc: take_name(reader)?,
            server: take_address(reader)?,
            server_id: DuidBuf::new(reader.counted()?)?,
            ended: Epoch(reader.u32()?),
        },
        14 => Change::Spoke6 { line: take_line(reader)?, client: DuidBuf::new(reader.counted()?)? },
        _ => return None,
    })
}

fn put_line(line: Line, out: &mut Vec<u8>) {
    out.extend(line.port.0.to_be_bytes());
    for tag in [line.tags.outer, line.tags.inner] {
        out.extend(tag.tpid.to_be_bytes());
        out.extend(tag.vid.to_be_bytes());
    }
}

fn take_line(reader: &mut Reader<'_>) -> Option<Line> {
    let port = PortId(reader.u16()?);
    let mut tag = || Some(VlanTag { tpid: reader.u16()?, vid: reader.u16()? });
    Some(Line { port, tags: VlanTags { outer: tag()?, inner: tag()? } })
}

fn put_prefix(prefix: Prefix, out: &mut Vec<u8>) {
    out.extend(prefix.address().octets());
    out.push(prefix.length());
}

/// Bits behind the length are zero.
fn take_prefix(reader: &mut Reader<'_>) -> Option<Prefix> {
    let (address, length) = (take_address(reader)?, reader.u8()?);
    Prefix::new(address, length).filter(|prefix| prefix.address() == address)
}

fn take_address(reader: &mut Reader<'_>) -> Option<Ipv6Addr> {
    Some(Ipv6Addr::from(reader.take::<16>()?))
}
