//! Carrying out what was decided: records to the disk, messages to the network.

use std::io;
use std::net::{SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use gateway_store::{Change, Durability};

use crate::server::Command;
use crate::shell::log::log;
use crate::shell::service::Service;
use crate::shell::service6::{self, Sources};
use crate::shell::sockets::send;
use crate::shell::{clock, datagrams};
use crate::subnets::{self, Ask, SubnetEvent};
use crate::v6;

/// What leaves, in the order in which it was decided.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// To DHCPv4's relays and clients.
    four: Vec<(SocketAddrV4, Vec<u8>)>,
    six: Vec<(SocketAddrV6, Vec<u8>)>,
    /// To connections of bulk leasequery, and to those of DHCPv6.
    pieces: Vec<(u64, Vec<u8>)>,
    pieces6: Vec<(u64, Vec<u8>)>,
}

impl Outbox {
    fn len(&self) -> usize {
        self.four.len() + self.six.len() + self.pieces.len() + self.pieces6.len()
    }
}

impl Service {
    /// Commands to disk and to the network, in that order; whether anything was written. What promises nothing does not wait
    /// for the disk, unless the disk takes no more: then clients shall turn to another server.
    pub(super) fn carry_out(&mut self, sources: Option<&Sources>) -> bool {
        let mut after = Outbox::default();
        let mut at_once = Outbox::default();
        let changed = self.tend_subnets(&mut after);
        while let Some(command) = self.server.poll_command() {
            match command {
                Command::Persist { key, value } => {
                    self.pending.insert(key, Some(value));
                }
                Command::Forget { key } => {
                    self.pending.insert(key, None);
                }
                Command::Send { to, payload, waits } => {
                    let outbox = if waits || !self.store_ok { &mut after } else { &mut at_once };
                    outbox.four.push((to, payload));
                }
                Command::Probe { address } => self.pinger.iter().for_each(|pinger| pinger.ask(address)),
                Command::Stream { connection, octets } => after.pieces.push((connection, octets)),
                Command::Close { connection } => self.streams.iter_mut().for_each(|open| open.close(connection)),
                Command::Tell(event) => log(&event),
            }
        }
        self.gather6(&mut at_once, &mut after);
        self.send(at_once, sources);
        let writes = !self.pending.is_empty();
        if !writes || self.commit(after.len()) {
            self.send(after, sources);
        }
        self.answer_subnets(changed);
        writes
    }

    /// Subnets from and for other servers, and what operators do with them: what came of it.
    fn tend_subnets(&mut self, after: &mut Outbox) -> Vec<(Ask, Result<(), String>)> {
        let Some(subnets) = &mut self.subnets else {
            self.asked.drain(..).for_each(Ask::decline);
            return Vec::new();
        };
        let (now, server) = (clock::now(), &mut self.server);
        let mut done = Vec::new();
        for ask in self.asked.drain(..) {
            let changed = ask.change.map_or(Ok(()), |change| subnets.change(&change, server, now));
            done.push((ask, changed));
        }
        subnets.turn(&mut self.server, now, clock::unix());
        while let Some(command) = subnets.poll_command() {
            match command {
                Command::Persist { key, value } => drop(self.pending.insert(key, Some(value))),
                Command::Forget { key } => drop(self.pending.insert(key, None)),
                Command::Send { to, payload, .. } => after.four.push((to, payload)),
                _ => {} // it has no others
            }
        }
        while let Some(event) = subnets.poll_event() {
            subnets::log(&event);
            self.lookup.tell(SubnetEvent::of(&event, now));
        }
        done
    }

    /// Tells operators what there is, when it is on disk.
    fn answer_subnets(&self, done: Vec<(Ask, Result<(), String>)>) {
        let Some(subnets) = &self.subnets else { return };
        for (Ask { change, answer }, done) in done {
            let unwritten = change.is_some() && !self.store_ok;
            let done = if unwritten { Err("it can't be written yet; the log says why".to_owned()) } else { done };
            let _ = answer.send(done.map(|()| subnets.view(clock::now())));
        }
    }

    fn send(&mut self, outbox: Outbox, sources: Option<&Sources>) {
        let Outbox { four, six, pieces, pieces6 } = outbox;
        send_all(&self.socket, &four);
        for (to, payload) in six {
            if let Some(sources) = sources
                && let Err(error) = send(&sources.datagrams, &payload, to.into())
            {
                tracing::debug!(%error, %to, "send");
            }
        }
        for (connection, octets) in pieces {
            self.streams.iter_mut().for_each(|open| open.write(connection, octets.clone()));
        }
        for (connection, octets) in pieces6 {
            self.six.iter_mut().for_each(|six| six.sockets.streams.write(connection, octets.clone()));
        }
    }

    /// What the DHCPv6 half wants done.
    fn gather6(&mut self, at_once: &mut Outbox, after: &mut Outbox) {
        let Some(six) = &mut self.six else { return };
        while let Some(command) = six.server.poll_command() {
            match command {
                v6::Command::Persist { key, value } => {
                    self.pending.insert(key, Some(value));
                }
                v6::Command::Forget { key } => {
                    self.pending.insert(key, None);
                }
                v6::Command::Send { to, payload, waits } => {
                    let outbox = if waits || !self.store_ok { &mut *after } else { &mut *at_once };
                    outbox.six.push((to, payload));
                }
                v6::Command::Stream { connection, octets } => after.pieces6.push((connection, octets)),
                v6::Command::Close { connection } => six.sockets.streams.close(connection),
                v6::Command::Tell(event) => service6::log(&event),
            }
        }
    }

    /// Whether all that is pending is on the disk now. `unanswered` messages depend on it, and are lost if it is not.
    fn commit(&mut self, unanswered: usize) -> bool {
        let changes = self.pending.iter().map(|(key, value)| Change { key, value: value.as_deref() });
        let done = self.store.commit(changes, Durability::Disk);
        match &done {
            Ok(()) => {
                self.pending.clear();
                if !self.store_ok {
                    tracing::info!("the lease store takes writes again");
                }
            }
            Err(error) => {
                if self.store_ok {
                    tracing::error!(%error, unanswered, "leases can't be written: nothing is answered until they can");
                }
                std::thread::sleep(Duration::from_millis(100)); // no faster than that against a full disk
            }
        }
        self.store_ok = done.is_ok();
        self.store_ok
    }
}

/// Sends to DHCPv4's relays and clients, without waiting long: a full buffer is given one chance to drain.
fn send_all(socket: &UdpSocket, messages: &[(SocketAddrV4, Vec<u8>)]) {
    let (mut at, mut patient) = (0, true);
    while let Some((to, _)) = messages.get(at) {
        match datagrams::send(socket.as_raw_fd(), &messages[at..]) {
            Ok(sent) => {
                at += sent;
                patient = true;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && patient => {
                std::thread::yield_now();
                patient = false;
            }
            Err(error) => {
                tracing::debug!(%error, %to, "send");
                at += 1;
            }
        }
    }
}
