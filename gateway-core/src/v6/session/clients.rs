//! Sessions by client: by DUID and line, by DUID alone, and by subscriber, which is a MAC on a line.

use core::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::lease::Session;
use super::table::Sessions;
use crate::line::{Line, PortId};
use crate::session::slab::Slab;
use crate::wire::dhcp6::Duid;

/// Numbers of sessions.
#[derive(Debug)]
pub(super) struct Clients {
    hasher: DefaultHashBuilder,
    /// One for each client and line.
    by_client: HashTable<u32>,
    /// A client may be on several lines…
    by_duid: HashTable<u32>,
    /// …and a subscriber have several DUIDs.
    by_subscriber: HashTable<u32>,
    /// Sessions on each port, those included whose leases have all ended and wait to be reclaimed.
    ports: Vec<u32>,
}

impl Clients {
    /// At full size from the start: growing would move every entry, and stall every login, once in a while.
    pub(super) fn new(capacity: usize) -> Self {
        let table = || HashTable::with_capacity(capacity);
        let (by_client, by_duid, by_subscriber) = (table(), table(), table());
        Self { hasher: DefaultHashBuilder::default(), by_client, by_duid, by_subscriber, ports: Vec::new() }
    }

    pub(super) fn on_port(&self, port: PortId) -> u32 {
        self.ports.get(usize::from(port.0)).copied().unwrap_or_default()
    }
}

fn remove(table: &mut HashTable<u32>, hash: u64, number: u32) {
    if let Ok(entry) = table.find_entry(hash, |other| *other == number) {
        entry.remove();
    }
}

fn insert(table: &mut HashTable<u32>, sessions: &Slab<Session>, number: u32, hash: impl Fn(&Session) -> u64) {
    let hash = |number: &u32| hash(&sessions[*number]);
    table.insert_unique(hash(&number), number, hash);
}

impl Sessions {
    /// Puts a session, with no lease yet, into its place.
    pub(super) fn open(&mut self, number: u32, session: Session) {
        let port = usize::from(session.line.port.0);
        self.sessions.insert(number, session);
        let Self { sessions, clients: Clients { hasher, by_client, by_duid, by_subscriber, ports }, .. } = self;
        if ports.len() <= port {
            ports.resize(port + 1, 0);
        }
        ports[port] += 1;
        insert(by_client, sessions, number, |session| hasher.hash_one((session.line, session.client.as_duid())));
        insert(by_duid, sessions, number, |session| hasher.hash_one(session.client.as_duid()));
        insert(by_subscriber, sessions, number, |session| hasher.hash_one((session.line, session.mac)));
    }

    /// Forgets a session that has no lease left.
    pub(super) fn close(&mut self, number: u32) {
        if self.sessions.get(number).is_none_or(|session| !session.slots.is_empty()) {
            return;
        }
        let Some(Session { client, line, mac, .. }) = self.sessions.remove(number) else { return };
        let Clients { hasher, by_client, by_duid, by_subscriber, ports } = &mut self.clients;
        remove(by_client, hasher.hash_one((line, client.as_duid())), number);
        remove(by_duid, hasher.hash_one(client.as_duid()), number);
        remove(by_subscriber, hasher.hash_one((line, mac)), number);
        ports[usize::from(line.port.0)] -= 1;
    }

    /// A session's frames come with this MAC now; returns whether it is another than before.
    pub(super) fn readdress(&mut self, number: u32, mac: [u8; 6]) -> bool {
        let Session { line, mac: before, .. } = self.sessions[number];
        if before == mac {
            return false;
        }
        self.sessions[number].mac = mac;
        let Self { sessions, clients: Clients { hasher, by_subscriber, .. }, .. } = self;
        remove(by_subscriber, hasher.hash_one((line, before)), number);
        insert(by_subscriber, sessions, number, |session| hasher.hash_one((session.line, session.mac)));
        true
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

    /// A client's sessions, on all lines.
    pub(super) fn of_client(&self, client: Duid<'_>) -> impl Iterator<Item = &Session> {
        let Clients { hasher, by_duid, .. } = &self.clients;
        let sessions = by_duid.iter_hash(hasher.hash_one(client)).map(|number| &self.sessions[*number]);
        sessions.filter(move |session| session.client.as_duid() == client)
    }

    /// A subscriber's sessions, under all its DUIDs.
    pub fn of_subscriber(&self, line: Line, mac: [u8; 6]) -> impl Iterator<Item = &Session> {
        let Clients { hasher, by_subscriber, .. } = &self.clients;
        let sessions = by_subscriber.iter_hash(hasher.hash_one((line, mac))).map(|number| &self.sessions[*number]);
        sessions.filter(move |session| (session.line, session.mac) == (line, mac))
    }
}
