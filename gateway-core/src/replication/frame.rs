//! Frames of the state stream between two members.
//!
//! ```text
//! length u32 (of what follows)   type u8   body
//!
//! 13 STATE-INITIAL    \
//! 14 STATE-ESSENTIAL   } previous u64  stamp u64  unit u16 (65535: none)  unit-ver u32  change
//! 15 STATE-DELETE     /
//! 16 STATE-ACK          origin u8  seq u64                  everything of origin up to seq was taken in
//! 17 SNAPSHOT-REQ       id u64  chunk u32                   chunks before this one have arrived; 0: begin
//! 18 SNAPSHOT-DATA      id u64  chunk u32  [positions, in chunk 0]  records: stamp u64, change
//! 19 SNAPSHOT-END       id u64  chunks u32
//! 21 HELLO              member u8  boot u64  state u8 (0 joining, 1 taking a snapshot, 2 synced)  [positions, in 1 and 2]
//! 22 KEY                32 octets
//! 23 RESYNC             reason u8
//! 24 INTERFACES         count u16, {segment u8 (0 access, 1 upstream, 2 link), place u16, MAC 6} × count
//! 25 FOR-KEEPER         server 4, length u16, DHCP message
//! 26 OUTDATED           unit u16  unit-ver u32
//! 27 FOR-KEEPER         server 16, length u16, DHCPv6 message
//! 28 SIGHTINGS          as in [`crate::sightings`]
//! ```
//!
//! `previous` is the number of the origin's change before this one, 0 for the first of its life: who has less than
//! that has missed something. Whoever says HELLO with positions wants to hear all that is newer than these.

use core::net::IpAddr;

use gateway_common::unit::Unit;

use super::aside::{self, Interface};
use super::change::{Change, Record};
use super::codec;
use super::command::Octets;
use super::positions::Positions;
use super::stamp::Stamp;
use crate::member::{Boot, MemberId, Secret, UnitVersion};
use crate::octets::Reader;
use crate::sightings::Message;

/// Longest frame, its length field not counted. A longer one is no frame of ours.
pub const MAX_FRAME: usize = 1 << 20;

const NO_UNIT: u16 = u16::MAX;

/// One frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// Who speaks, and from where on it wants to hear (`None`: not yet, its state is still to come).
    Hello {
        /// Whom the certificate must name, too.
        member: MemberId,
        /// Its life.
        boot: Boot,
        /// What it has of each origin.
        positions: Option<Positions>,
        /// Its state is complete: what it acknowledges, survives with it.
        synced: bool,
    },
    /// The key that authenticates the sender's datagrams in this life. Only for the shell.
    Key(Secret),
    /// A change.
    State(Update),
    /// Everything of this origin up to this number was taken in.
    Ack {
        /// The origin: the receiver itself, or another whose changes the receiver may have to pass on.
        origin: MemberId,
        /// The number.
        seq: u64,
    },
    /// Asks for a snapshot, or for more of it.
    SnapshotRequest {
        /// Chosen by whoever asks.
        id: u64,
        /// Chunks before this one have arrived.
        chunk: u32,
    },
    /// A part of it.
    SnapshotData {
        /// Which snapshot.
        id: u64,
        /// Which part.
        chunk: u32,
        /// In the first: what the sender had of each origin when it began.
        positions: Option<Positions>,
        /// State.
        records: Vec<Record>,
    },
    /// That was all.
    SnapshotEnd {
        /// Which snapshot.
        id: u64,
        /// How many parts it had.
        chunks: u32,
    },
    /// Ask me for a snapshot, I can't bring you up to date otherwise.
    Resync(ResyncReason),
    /// What you said about this unit counts no more: I know of an assignment by this version.
    Outdated {
        /// The unit.
        unit: Unit,
        /// The version.
        version: UnitVersion,
    },
    /// The sender's own MACs on the segments that the members share.
    Interfaces(Vec<Interface>),
    /// Whom the sender has seen, or a question.
    Sightings(Message),
    /// A server's message for whoever keeps what has no client.
    ForKeeper {
        /// The server that sent it.
        server: IpAddr,
        /// The message.
        payload: Vec<u8>,
    },
}

/// A change on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Update {
    /// Number of its origin's change before.
    pub previous: u64,
    /// Its identity.
    pub stamp: Stamp,
    /// The work unit it belongs to, and the version of the assignment it was made under.
    pub unit: Option<(Unit, UnitVersion)>,
    /// The change.
    pub change: Change,
}

/// Why a member needs a snapshot.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ResyncReason {
    /// It was too slow, or away for too long: what it lacks is no longer kept.
    FellBehind = 1,
    /// It changed something about a unit that is not its own any more.
    Fenced = 2,
    /// The sender can't give one: it is waiting for its own.
    NotSynced = 3,
}

/// The octets are no frame. The connection is of no more use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("malformed frame of type {0}")]
pub struct Malformed(pub u8);

impl core::fmt::Display for ResyncReason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::FellBehind => "this member fell behind, and what it lacks is no longer kept",
            Self::Fenced => "this member spoke for units that are not its own any more",
            Self::NotSynced => "the other one has none to give yet",
        })
    }
}

impl Frame {
    /// Appends the frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let at = begin(out);
        match self {
            Self::Hello { member, boot, positions, synced } => {
                out.extend([21, member.get()]);
                out.extend(boot.0.to_be_bytes());
                out.push(u8::from(positions.is_some()) + u8::from(positions.is_some() && *synced));
                positions.iter().for_each(|positions| positions.encode(out));
            }
            Self::Key(Secret(key)) => {
                out.push(22);
                out.extend(key);
            }
            Self::State(update) => encode_update(update, out),
            Self::Ack { origin, seq } => {
                out.extend([16, origin.get()]);
                out.extend(seq.to_be_bytes());
            }
            Self::SnapshotRequest { id, chunk } => {
                out.push(17);
                out.extend(id.to_be_bytes());
                out.extend(chunk.to_be_bytes());
            }
            Self::SnapshotData { id, chunk, positions, records } => {
                encode_data(*id, *chunk, positions.as_ref(), out);
                records.iter().for_each(|record| encode_record(record, out));
            }
            Self::SnapshotEnd { id, chunks } => {
                out.push(19);
                out.extend(id.to_be_bytes());
                out.extend(chunks.to_be_bytes());
            }
            Self::Resync(reason) => out.extend([23, *reason as u8]),
            Self::Outdated { unit, version } => {
                out.push(26);
                out.extend((unit.index() as u16).to_be_bytes());
                out.extend(version.0.to_be_bytes());
            }
            Self::Sightings(message) => {
                out.push(28);
                message.encode(out);
            }
            Self::Interfaces(interfaces) => {
                out.push(24);
                aside::encode(interfaces, out);
            }
            Self::ForKeeper { server, payload } => {
                match server {
                    IpAddr::V4(server) => {
                        out.push(25);
                        out.extend(server.octets());
                    }
                    IpAddr::V6(server) => {
                        out.push(27);
                        out.extend(server.octets());
                    }
                }
                // It came out of one datagram.
                out.extend((payload.len() as u16).to_be_bytes());
                out.extend(payload);
            }
        }
        finish(out, at);
    }

    /// What follows the length; strict: nothing may be missing, left over or unknown.
    ///
    /// # Errors
    ///
    /// When it is no frame.
    pub fn decode(octets: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(octets);
        let kind = reader.u8().unwrap_or_default();
        let frame = body(kind, &mut reader).ok_or(Malformed(kind))?;
        reader.end().ok_or(Malformed(kind))?;
        Ok(frame)
    }
}

fn body(kind: u8, reader: &mut Reader<'_>) -> Option<Frame> {
    Some(match kind {
        13..=15 => {
            let previous = reader.u64()?;
            let stamp = stamp(reader)?;
            let (unit, version) = (reader.u16()?, UnitVersion(reader.u32()?));
            let unit = match unit {
                NO_UNIT if version == UnitVersion(0) => None,
                NO_UNIT => return None,
                number => Some((Unit::new(number)?, version)),
            };
            let change = codec::decode(reader)?;
            if state_kind(&change) != kind || previous >= stamp.seq() {
                return None;
            }
            Frame::State(Update { previous, stamp, unit, change })
        }
        16 => Frame::Ack { origin: MemberId::new(reader.u8()?)?, seq: reader.u64()? },
        17 => Frame::SnapshotRequest { id: reader.u64()?, chunk: reader.u32()? },
        18 => {
            let (id, chunk) = (reader.u64()?, reader.u32()?);
            let positions = if chunk == 0 { Some(Positions::decode(reader)?) } else { None };
            let mut records = Vec::new();
            while !reader.0.is_empty() {
                records.push(Record { stamp: Stamp::from_raw(reader.u64()?), change: codec::decode(reader)? });
            }
            Frame::SnapshotData { id, chunk, positions, records }
        }
        19 => Frame::SnapshotEnd { id: reader.u64()?, chunks: reader.u32()? },
        21 => {
            let (member, boot) = (MemberId::new(reader.u8()?)?, Boot(reader.u64()?));
            let state = reader.u8()?;
            let positions = match state {
                0 => None,
                1 | 2 => Some(Positions::decode(reader)?),
                _ => return None,
            };
            Frame::Hello { member, boot, positions, synced: state == 2 }
        }
        22 => Frame::Key(Secret(reader.take()?)),
        23 => Frame::Resync(match reader.u8()? {
            1 => ResyncReason::FellBehind,
            2 => ResyncReason::Fenced,
            3 => ResyncReason::NotSynced,
            _ => return None,
        }),
        26 => Frame::Outdated { unit: Unit::new(reader.u16()?)?, version: UnitVersion(reader.u32()?) },
        28 => Frame::Sightings(Message::decode(reader)?),
        24 => Frame::Interfaces(aside::decode(reader)?),
        27 => {
            let server = IpAddr::from(reader.take::<16>()?);
            Frame::ForKeeper { server, payload: reader.counted()?.to_vec() }
        }
        25 => Frame::ForKeeper { server: reader.address()?.into(), payload: reader.counted()?.to_vec() },
        _ => return None,
    })
}

fn stamp(reader: &mut Reader<'_>) -> Option<Stamp> {
    let stamp = Stamp::from_raw(reader.u64()?);
    stamp.origin().map(|_| stamp)
}

/// Which of the three types a change goes by.
fn state_kind(change: &Change) -> u8 {
    match change {
        Change::Session(_) | Change::Lease6(_) => 13,
        Change::Ended { .. } | Change::Cutoff { .. } | Change::Ended6 { .. } | Change::Cutoff6 { .. } => 15,
        _ => 14,
    }
}

fn encode_update(update: &Update, out: &mut Vec<u8>) {
    out.push(state_kind(&update.change));
    out.extend(update.previous.to_be_bytes());
    out.extend(update.stamp.get().to_be_bytes());
    let (unit, version) = update.unit.map_or((NO_UNIT, 0), |(unit, version)| (unit.index() as u16, version.0));
    out.extend(unit.to_be_bytes());
    out.extend(version.to_be_bytes());
    codec::encode(&update.change, out);
}

/// The head of a SNAPSHOT-DATA, behind which records may be put.
pub(super) fn encode_data(id: u64, chunk: u32, positions: Option<&Positions>, out: &mut Vec<u8>) {
    out.push(18);
    out.extend(id.to_be_bytes());
    out.extend(chunk.to_be_bytes());
    positions.iter().for_each(|positions| positions.encode(out));
}

pub(super) fn encode_record(record: &Record, out: &mut Vec<u8>) {
    out.extend(record.stamp.get().to_be_bytes());
    codec::encode(&record.change, out);
}

/// Leaves room for the length; [`finish`] fills it in.
pub(super) fn begin(out: &mut Vec<u8>) -> usize {
    let at = out.len();
    out.extend([0; 4]);
    at
}

pub(super) fn finish(out: &mut [u8], at: usize) {
    let length = (out.len() - at - 4) as u32;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

/// Makes frames of a stream of octets.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Octets,
    at: usize,
}

impl Decoder {
    /// More of the stream.
    pub fn push(&mut self, octets: &[u8]) {
        if self.at > 0 {
            self.buffer.0.drain(..self.at);
            self.at = 0;
        }
        self.buffer.0.extend_from_slice(octets);
    }

    /// The next whole frame, and its octets with the length.
    ///
    /// # Errors
    ///
    /// When what follows is no frame; the stream can't be read any further.
    pub fn next_frame(&mut self) -> Result<Option<(Frame, &[u8])>, Malformed> {
        let rest = &self.buffer.0[self.at..];
        let Some((length, after)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if length == 0 || length > MAX_FRAME {
            return Err(Malformed(0));
        }
        let Some(octets) = after.get(..length) else { return Ok(None) };
        let frame = Frame::decode(octets)?;
        let whole = self.at..self.at + 4 + length;
        self.at = whole.end;
        Ok(Some((frame, &self.buffer.0[whole])))
    }
}
