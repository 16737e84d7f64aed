//! One manager, its clock, and what it was told to do.

use core::net::IpAddr;

use crate::association::{
    AddressManager, AssociationConfig, Capability, Cause, Change, ChangeId, Command, Established, Event, Measurement,
    Outcome, PathEvent, PathState, Presence, Quality, Reason,
};
use crate::time::{Duration, Instant};

pub(super) const ALL: Capability = Capability { asconf: true, auth: true };

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub(super) struct Lab {
    pub(super) manager: AddressManager,
    pub(super) now: Instant,
    /// Changes are acknowledged as soon as they are asked for.
    pub(super) willing: bool,
    pub(super) waiting: Option<ChangeId>,
    pub(super) changes: Vec<(u64, Change)>,
    pub(super) events: Vec<Event>,
    pub(super) reconnects: Vec<Reason>,
    began: Instant,
    measured: u64,
    /// The own kernel does not have this address of the peer now.
    pub(super) lacks: Option<IpAddr>,
    /// Round trips are measured as they were.
    pub(super) still: bool,
}

impl Lab {
    /// An association of 192.0.2.1 with 203.0.113.1, which both have more addresses than the first.
    pub(super) fn with(
        config: AssociationConfig,
        capability: Capability,
        locals: &[(&str, u32)],
        peers: &[&str],
    ) -> Self {
        let began = Instant::ZERO + Duration::from_secs(1000);
        let mut lab = Self {
            manager: AddressManager::new(config),
            now: began,
            willing: true,
            waiting: None,
            changes: Vec::new(),
            events: Vec::new(),
            reconnects: Vec::new(),
            began,
            measured: 0,
            lacks: None,
            still: false,
        };
        for (address, interface) in locals {
            lab.up(address, *interface);
        }
        let established = Established {
            locals: locals.iter().map(|(address, interface)| (ip(address), *interface)).collect(),
            via: ip(locals[0].0),
            peers: peers.iter().map(|address| ip(address)).collect(),
            primary: ip(peers[0]),
            capability,
        };
        lab.manager.handle_established(&established, lab.now);
        lab.drain();
        lab
    }

    /// One address each.
    pub(super) fn single() -> Self {
        Self::with(AssociationConfig::default(), ALL, &[("192.0.2.1", 1)], &["203.0.113.1"])
    }

    /// Two cards; 203.0.113.1 is reached over the first, 203.0.113.2 over the second, both as well.
    pub(super) fn double() -> Self {
        let locals = [("192.0.2.1", 1), ("198.51.100.1", 2)];
        let mut lab = Self::with(AssociationConfig::default(), ALL, &locals, &["203.0.113.1", "203.0.113.2"]);
        lab.measure("203.0.113.1", 1, 0, 20);
        lab.measure("203.0.113.2", 2, 0, 20);
        lab.pass(60);
        assert_eq!(lab.changes, [], "nothing to do");
        lab.began = lab.now;
        lab
    }

    /// Carries out what is to do.
    pub(super) fn drain(&mut self) {
        for _ in 0..1000 {
            let Some(command) = self.manager.poll_command() else { return };
            match command {
                Command::Change { id, change } => {
                    self.changes.push((self.now.since(self.began).as_secs(), change));
                    let message = !matches!(change, Change::SetOwnPrimary(_));
                    if !message && self.lacks == Some(change.address()) {
                        self.manager.handle_result(id, Outcome::Refused(Cause::Other(0)), self.now);
                    } else if self.willing || !message {
                        self.manager.handle_result(id, Outcome::Acknowledged, self.now);
                    } else {
                        assert_eq!(self.waiting.replace(id), None, "one change at a time");
                    }
                }
                Command::Reconnect(reason) => self.reconnects.push(reason),
                Command::Tell(event) => self.events.push(event),
            }
        }
        panic!("the manager never rests");
    }

    /// The change that waits has this outcome.
    pub(super) fn answer(&mut self, outcome: Outcome) {
        let id = self.waiting.take().expect("a change that waits");
        self.manager.handle_result(id, outcome, self.now);
        self.drain();
    }

    /// Time passes.
    pub(super) fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        for _ in 0..10_000 {
            let Some(at) = self.manager.poll_timeout().filter(|at| *at <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(at);
            self.manager.handle_timeout(self.now);
            self.drain();
        }
        panic!("time stands still");
    }

    pub(super) fn local(&mut self, address: &str, interface: u32, presence: Presence) {
        self.manager.handle_local(ip(address), interface, presence, self.now);
        self.drain();
    }

    pub(super) fn up(&mut self, address: &str, interface: u32) {
        self.local(address, interface, Presence::Up);
    }

    pub(super) fn gone(&mut self, address: &str, interface: u32) {
        self.local(address, interface, Presence::Gone);
    }

    pub(super) fn signal(&mut self, interface: u32, loss: u16) {
        self.manager.handle_signal(interface, loss, self.now);
        self.drain();
    }

    pub(super) fn path(&mut self, peer: &str, interface: u32, state: PathState, loss: u16, millis: u64, errors: u32) {
        self.measured += u64::from(!self.still);
        let srtt = Duration::from_millis(millis) + Duration::from_nanos(self.measured);
        let measured = Measurement {
            peer: ip(peer),
            interface: Some(interface),
            state,
            quality: Quality { loss, srtt: Some(srtt) },
            rto: Duration::from_secs(1),
            cwnd: 4380,
            errors,
        };
        self.manager.handle_measurements(&[measured], self.now);
        self.drain();
    }

    /// Twice: something was heard in between.
    pub(super) fn measure(&mut self, peer: &str, interface: u32, loss: u16, millis: u64) {
        for _ in 0..2 {
            self.path(peer, interface, PathState::Active, loss, millis, 0);
        }
    }

    pub(super) fn peer(&mut self, address: &str, event: PathEvent) {
        self.manager.handle_peer(ip(address), event, self.now);
        self.drain();
    }

    /// The changes since the last time that they were asked for, with the second in which they were begun.
    pub(super) fn took(&mut self) -> Vec<(u64, Change)> {
        core::mem::take(&mut self.changes)
    }

    /// The same, without the time.
    pub(super) fn did(&mut self) -> Vec<Change> {
        self.took().into_iter().map(|(_, change)| change).collect()
    }
}

pub(super) fn add(address: &str) -> Change {
    Change::Add(ip(address))
}

pub(super) fn primary(address: &str) -> Change {
    Change::SetPrimary(ip(address))
}

pub(super) fn remove(address: &str) -> Change {
    Change::Remove(ip(address))
}

pub(super) fn own(address: &str) -> Change {
    Change::SetOwnPrimary(ip(address))
}
