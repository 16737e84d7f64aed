//! Sessions by client: by hardware address and line, and within that by client-id.

use core::hash::BuildHasher;
use core::ops::RangeInclusive;

use hashbrown::DefaultHashBuilder;

use super::groups::Groups;
use super::table::{Session, Sessions};
use crate::line::{HardwareAddress, Line};

/// Bits of a hash that are the client-id's.
const CLIENT_ID: u64 = 0xff_ffff;

/// Slots of sessions. Those of one hardware address on a line are beside each other, and among them those of one
/// client-id, so that neither is looked for among all client-ids that somebody invents.
#[derive(Debug, Default)]
pub(super) struct Clients {
    hasher: DefaultHashBuilder,
    slots: Groups,
}

impl Clients {
    /// The hashes of all client-ids of a hardware address.
    fn of_hardware(&self, line: Line, hardware: &HardwareAddress) -> RangeInclusive<u64> {
        let hash = self.hasher.hash_one((line, hardware)) & !CLIENT_ID;
        hash..=hash | CLIENT_ID
    }

    fn of_client_id(&self, line: Line, hardware: &HardwareAddress, client_id: Option<&[u8]>) -> u64 {
        *self.of_hardware(line, hardware).start() | (self.hasher.hash_one(client_id) & CLIENT_ID)
    }

    fn of(&self, session: &Session) -> u64 {
        self.of_client_id(session.line, &session.hardware, session.client_id.as_deref())
    }

    pub(super) fn insert(&mut self, slot: u32, session: &Session) {
        self.slots.insert(self.of(session), slot);
    }

    pub(super) fn remove(&mut self, slot: u32, session: &Session) {
        self.slots.remove(self.of(session), slot);
    }
}

impl Sessions {
    /// The live sessions of this client with their slots, one for each of its client-ids, in no order that means anything.
    pub fn of_hardware(&self, line: Line, hardware: HardwareAddress) -> impl Iterator<Item = (u32, &Session)> {
        self.live(self.clients.of_hardware(line, &hardware), line, hardware)
    }

    /// The same of one client-id.
    pub(super) fn of_client_id<'a>(
        &'a self,
        line: Line,
        hardware: HardwareAddress,
        client_id: Option<&'a [u8]>,
    ) -> impl Iterator<Item = (u32, &'a Session)> {
        let hash = self.clients.of_client_id(line, &hardware, client_id);
        self.live(hash..=hash, line, hardware).filter(move |(_, session)| session.client_id.as_deref() == client_id)
    }

    /// A live session of this client; a client with several (different client-ids) has any of them returned.
    pub fn by_client(&self, line: Line, hardware: &HardwareAddress) -> Option<&Session> {
        self.of_hardware(line, *hardware).next().map(|(_, session)| session)
    }

    fn live(
        &self,
        hashes: RangeInclusive<u64>,
        line: Line,
        hardware: HardwareAddress,
    ) -> impl Iterator<Item = (u32, &Session)> {
        let sessions = self.clients.slots.among(hashes).map(|slot| (slot, &self.slab[slot]));
        sessions.filter(move |(_, session)| {
            session.line == line && session.hardware == hardware && !self.cohorts.has_ended(*session)
        })
    }
}
