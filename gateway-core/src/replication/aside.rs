//! What members tell each other on their streams beside state: by which MACs they are reached, what servers said that
//! is for the keeper, and whom they have seen.

use core::net::IpAddr;

use super::command::Command;
use super::engine::Replication;
use super::frame::Frame;
use crate::member::MemberId;
use crate::octets::Reader;
use crate::sightings::Message;

/// One of a member's interfaces on a segment that the members share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interface {
    /// Which segment.
    pub segment: Segment,
    /// The member's own MAC on it.
    pub mac: [u8; 6],
}

/// A segment that the members share, by its place in the configuration, which is the same on all of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Segment {
    /// That of an access port.
    Access(u16),
    /// That of an upstream port.
    Upstream(u16),
    /// The link between the members.
    Link,
}

impl Segment {
    fn encode(self, out: &mut Vec<u8>) {
        let (kind, place) = match self {
            Self::Access(place) => (0, place),
            Self::Upstream(place) => (1, place),
            Self::Link => (2, 0),
        };
        out.push(kind);
        out.extend(place.to_be_bytes());
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        match (reader.u8()?, reader.u16()?) {
            (0, place) => Some(Self::Access(place)),
            (1, place) => Some(Self::Upstream(place)),
            (2, 0) => Some(Self::Link),
            _ => None,
        }
    }
}

pub(super) fn encode(interfaces: &[Interface], out: &mut Vec<u8>) {
    out.extend((interfaces.len() as u16).to_be_bytes());
    for interface in interfaces {
        interface.segment.encode(out);
        out.extend(interface.mac);
    }
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Vec<Interface>> {
    let count = reader.u16()?;
    (0..count).map(|_| Some(Interface { segment: Segment::decode(reader)?, mac: reader.take()? })).collect()
}

impl Replication {
    /// This member's own interfaces; every other member is told, now and when it connects.
    pub fn handle_interfaces(&mut self, interfaces: Vec<Interface>) {
        if interfaces == self.interfaces {
            return;
        }
        self.interfaces = interfaces;
        let connected: Vec<MemberId> = self.connected().collect();
        connected.into_iter().for_each(|member| self.tell_interfaces(member));
    }

    pub(super) fn tell_interfaces(&mut self, to: MemberId) {
        let interfaces = self.interfaces.clone();
        self.send(to, &Frame::Interfaces(interfaces));
    }

    /// A server's message that this member did not ask for, for the one that keeps what has no client. Lost when that one
    /// is not in reach: whoever keeps it next asks again.
    pub fn handle_for_keeper(&mut self, keeper: MemberId, server: IpAddr, payload: Vec<u8>) {
        if self.peers.get(&keeper).is_some_and(|peer| peer.connected) {
            self.send(keeper, &Frame::ForKeeper { server, payload });
        }
    }

    /// Whom this member has seen, or a question. Lost when that one is not in reach: it asks anew when it is.
    pub fn handle_sightings(&mut self, to: MemberId, message: Message) {
        if self.peers.get(&to).is_some_and(|peer| peer.connected) {
            self.send(to, &Frame::Sightings(message));
        }
    }

    pub(super) fn aside(&mut self, from: MemberId, frame: Frame) {
        match frame {
            Frame::Interfaces(interfaces) => self.commands.push_back(Command::Interfaces { member: from, interfaces }),
            Frame::Sightings(message) => self.commands.push_back(Command::Sightings { from, message }),
            Frame::ForKeeper { server, payload } => self.commands.push_back(Command::ForKeeper { server, payload }),
            _ => {}
        }
    }
}
