//! Sessions by client: by DUID and line, by device (DUID and MAC), and by subscriber, which is a MAC on a line.

use core::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::lease::Session;
use super::table::Sessions;
use crate::line::{Line, PortId};
use crate::session::groups::Groups;
use crate::session::slab::Slab;
use crate::wire::dhcp6::Duid;

/// Numbers of sessions.
#[derive(Debug)]
pub(super) struct Clients {
    hasher: DefaultHashBuilder,
    /// One for each client and line.
    by_client: HashTable<u32>,
    /// A device may be on several lines…
    by_device: Groups,
    /// …and a subscriber have several DUIDs.
    by_subscriber: Groups,
    /// Behind a relay below, which may have any number of clients: by its MAC.
    by_relay: Groups,
    /// Sessions on each port, those included whose leases have all ended and wait to be reclaimed.
    ports: Vec<u32>,
}

impl Clients {
    /// At full size from the start: growing would move every entry, and stall every login, once in a while.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            hasher: DefaultHashBuilder::default(),
            by_client: HashTable::with_capacity(capacity),
            by_device: Groups::default(),
            by_subscriber: Groups::default(),
            by_relay: Groups::default(),
            ports: Vec::new(),
        }
    }

    pub(super) fn on_port(&self, port: PortId) -> u32 {
        self.ports.get(usize::from(port.0)).copied().unwrap_or_default()
    }

    fn client(&self, session: &Session) -> u64 {
        self.hasher.hash_one((session.line, session.client.as_duid()))
    }

    fn device(&self, client: Duid<'_>, mac: [u8; 6]) -> u64 {
        self.hasher.hash_one((client, mac))
    }

    fn subscriber(&self, line: Line, mac: [u8; 6]) -> u64 {
        self.hasher.hash_one((line, mac))
    }

    fn insert(&mut self, number: u32, sessions: &Slab<Session>) {
        let (session, hasher) = (&sessions[number], &self.hasher);
        let hash = |number: &u32| {
            let session: &Session = &sessions[*number];
            hasher.hash_one((session.line, session.client.as_duid()))
        };
        self.by_client.insert_unique(hash(&number), number, hash);
        self.group(number, session);
    }

    fn remove(&mut self, number: u32, session: &Session) {
        if let Ok(entry) = self.by_client.find_entry(self.client(session), |other| *other == number) {
            entry.remove();
        }
        self.ungroup(number, session);
    }

    fn group(&mut self, number: u32, session: &Session) {
        self.by_device.insert(self.device(session.client.as_duid(), session.mac), number);
        let subscriber = self.subscriber(session.line, session.mac);
        self.beside(session.relayed).insert(subscriber, number);
    }

    fn ungroup(&mut self, number: u32, session: &Session) {
        self.by_device.remove(self.device(session.client.as_duid(), session.mac), number);
        let subscriber = self.subscriber(session.line, session.mac);
        self.beside(session.relayed).remove(subscriber, number);
    }

    fn beside(&mut self, relayed: bool) -> &mut Groups {
        if relayed { &mut self.by_relay } else { &mut self.by_subscriber }
    }
}

impl Sessions {
    /// Puts a session, with no lease yet, into its place.
    pub(super) fn open(&mut self, number: u32, session: Session) {
        let port = usize::from(session.line.port.0);
        self.sessions.insert(number, session);
        if self.clients.ports.len() <= port {
            self.clients.ports.resize(port + 1, 0);
        }
        self.clients.ports[port] += 1;
        self.clients.insert(number, &self.sessions);
    }

    /// Forgets a session that has no lease left.
    pub(super) fn close(&mut self, number: u32) {
        if self.sessions.get(number).is_none_or(|session| !session.slots.is_empty()) {
            return;
        }
        let Some(session) = self.sessions.remove(number) else { return };
        self.clients.remove(number, &session);
        self.clients.ports[usize::from(session.line.port.0)] -= 1;
    }

    /// A session's frames come with this MAC now, its own or that of a relay; returns whether it is another than before.
    pub(super) fn readdress(&mut self, number: u32, mac: [u8; 6], relayed: bool) -> bool {
        let before = (self.sessions[number].mac, self.sessions[number].relayed);
        if before != (mac, relayed) {
            self.clients.ungroup(number, &self.sessions[number]);
            let session = &mut self.sessions[number];
            (session.mac, session.relayed) = (mac, relayed);
            self.clients.group(number, &self.sessions[number]);
        }
        before.0 != mac
    }

    /// The number of a client's session on a line; all its leases may have ended.
    pub(super) fn number(&self, line: Line, client: Duid<'_>) -> Option<u32> {
        let Clients { hasher, by_client, .. } = &self.clients;
        let found = by_client.find(hasher.hash_one((line, client)), |number| {
            let session = &self.sessions[*number];
            session.line == line && session.client.as_duid() == client
        });
        found.copied()
    }

    /// The sessions of a device, on all lines, in no order that means anything.
    pub fn of_device(&self, client: Duid<'_>, mac: [u8; 6]) -> impl Iterator<Item = &Session> {
        let sessions = self.clients.by_device.of(self.clients.device(client, mac)).map(|number| &self.sessions[number]);
        sessions.filter(move |session| session.client.as_duid() == client && session.mac == mac)
    }

    /// The sessions of whoever has this MAC on a line itself, under all its DUIDs, in no order that means anything.
    pub(super) fn of_mac(&self, line: Line, mac: [u8; 6]) -> impl Iterator<Item = &Session> {
        self.in_group(&self.clients.by_subscriber, line, mac)
    }

    /// Those of them that have a live lease.
    pub(super) fn live_at(&self, line: Line, mac: [u8; 6]) -> impl Iterator<Item = &Session> {
        self.of_mac(line, mac).filter(|session| self.leases(session).next().is_some())
    }

    /// All sessions with this MAC on a line, in no order that means anything: those of a subscriber under all its DUIDs, and
    /// of the clients of a relay below.
    pub fn of_subscriber(&self, line: Line, mac: [u8; 6]) -> impl Iterator<Item = &Session> {
        self.of_mac(line, mac).chain(self.in_group(&self.clients.by_relay, line, mac))
    }

    fn in_group<'a>(&'a self, group: &'a Groups, line: Line, mac: [u8; 6]) -> impl Iterator<Item = &'a Session> {
        let sessions = group.of(self.clients.subscriber(line, mac)).map(|number| &self.sessions[number]);
        sessions.filter(move |session| (session.line, session.mac) == (line, mac))
    }
}
