//! Cards, links, two ends, and time.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::BTreeMap;

use super::check::History;
use super::end::End;
use super::packet::Packet;
use crate::association::{
    AddressManager, AssociationConfig, Capability, Change, Command, Established, Outcome, PathEvent,
};
use crate::seeds::Random;
use crate::time::{Duration, Instant};

/// A HEARTBEAT on each path, and what is measured, told.
pub(super) const BEAT: Duration = Duration::from_millis(500);
/// So long everything goes wrong, in seconds.
const TROUBLE: (u64, u64) = (60, 200);
/// And then so long nothing does: the longest hold, and what follows it.
const PEACE: Duration = Duration::from_secs(130);
/// An association none of whose paths answers is given up after so long.
pub(super) const GIVEN_UP: Duration = Duration::from_secs(25);
/// The card of a home address, which is no card.
pub(super) const HOME: u32 = 99;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Card N of one end and card N of the other are on link N, and nowhere else.
    Links,
    /// The same, and link 0 never fails.
    Steady,
    /// Each card has an access of its own, and everybody reaches everybody.
    Roaming,
    /// The same, with home addresses.
    Home,
}

impl Kind {
    pub(super) fn is_routed(self) -> bool {
        matches!(self, Self::Roaming | Self::Home)
    }
}

/// A card and the link or access that it is on.
#[derive(Clone, Debug)]
pub(super) struct Card {
    pub(super) interface: u32,
    pub(super) carrier: bool,
    pub(super) addresses: Vec<IpAddr>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) up: bool,
    /// Of 1000.
    pub(super) loss: u64,
    pub(super) millis: u64,
    /// What its card says of itself, of 1000, where every card has a link of its own.
    pub(super) signal: u16,
}

pub(super) struct Side {
    pub(super) manager: AddressManager,
    pub(super) end: Option<End>,
    pub(super) cards: Vec<Card>,
    pub(super) home: Option<IpAddr>,
    pub(super) history: History,
}

pub(super) enum Happening {
    Arrive(usize, Packet),
    Beat,
    Connect,
}

pub(super) struct World {
    pub(super) kind: Kind,
    /// Kernels tell what the peer answers, and where its packets arrive; else the ends go by evidence.
    pub(super) answers: bool,
    pub(super) now: Instant,
    pub(super) random: Random,
    talk: bool,
    pub(super) sides: [Side; 2],
    /// Of links: one for each card; routed: of each side's cards, one after the other.
    pub(super) links: Vec<Link>,
    pub(super) tag: u64,
    /// When the association began.
    pub(super) set_up: Instant,
    pub(super) serial: u16,
    /// Addresses that somebody had, and who else may get them: those on this card's link.
    pub(super) freed: Vec<(usize, IpAddr)>,
    happenings: BTreeMap<(Instant, u64), Happening>,
    numbered: u64,
}

impl World {
    pub(super) fn new(kind: Kind, seed: u64, talk: bool) -> Self {
        let mut random = Random::new(seed);
        // Where no route leaves by a card nothing else can tell that the peer reaches what is on it.
        let answers = random.chance(500) || kind.is_routed();
        let cards = if kind.is_routed() { random.range(1, 3) } else { random.range(2, 5) } as usize;
        let homes = (kind == Kind::Home).then(|| [home(0), home(1)]);
        let side = |number: usize| {
            let config = AssociationConfig {
                home: homes.map(|homes| homes[number]),
                peer_home: homes.map(|homes| homes[1 - number]),
                ..AssociationConfig::default()
            };
            let card = |index| Card { interface: index as u32 + 1, carrier: true, addresses: Vec::new() };
            Side {
                manager: AddressManager::new(config),
                end: None,
                cards: (0..cards).map(card).collect(),
                home: homes.map(|homes| homes[number]),
                history: History::default(),
            }
        };
        let links =
            vec![Link { up: true, loss: 0, millis: 10, signal: 0 }; if kind.is_routed() { cards * 2 } else { cards }];
        let now = Instant::ZERO + Duration::from_secs(1000);
        let sides = [side(0), side(1)];
        let (happenings, tag, serial, numbered) = (BTreeMap::new(), 0, 0, 0);
        let freed = Vec::new();
        Self { kind, answers, now, random, talk, sides, links, tag, set_up: now, serial, freed, happenings, numbered }
    }

    pub(super) fn say(&self, text: impl FnOnce() -> String) {
        if self.talk {
            println!("{:>9.3} {}", self.now.since(Instant::ZERO).as_secs_f64() - 1000.0, text());
        }
    }

    pub(super) fn run(mut self) {
        let told = if self.answers { "kernels tell what is answered" } else { "kernels tell nothing" };
        self.say(|| told.into());
        for side in 0..2 {
            if let Some(home) = self.sides[side].home {
                self.local(side, home, HOME);
            }
            for card in 0..self.sides[side].cards.len() {
                self.get_address(side, card);
            }
        }
        self.after(Duration::ZERO, Happening::Connect);
        self.after(BEAT, Happening::Beat);
        self.until(self.now + Duration::from_secs(5));
        let end = self.now + Duration::from_secs(self.random.range(TROUBLE.0, TROUBLE.1));
        while self.now < end {
            let pause = Duration::from_millis(self.random.range(50, 9_000));
            self.until(self.now + pause);
            self.mishap();
        }
        self.heal();
        self.until(self.now + PEACE);
        self.check_end();
    }

    pub(super) fn after(&mut self, delay: Duration, happening: Happening) {
        self.numbered += 1;
        self.happenings.insert((self.now + delay, self.numbered), happening);
    }

    fn until(&mut self, end: Instant) {
        for _ in 0..5_000_000 {
            let next = self.happenings.keys().next().copied();
            let timers = (0..2).filter_map(|side| Some((self.wants(side)?, side))).min();
            let due = next.map(|(at, _)| at).into_iter().chain(timers.map(|(at, _)| at)).min();
            let Some(due) = due.filter(|due| *due <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(due);
            if let Some((at, side)) = timers
                && at <= self.now
            {
                self.wake(side);
            } else if let Some(happening) = next.and_then(|key| self.happenings.remove(&key)) {
                self.happen(happening);
            }
        }
        panic!("time stands still");
    }

    fn wants(&self, side: usize) -> Option<Instant> {
        let side = &self.sides[side];
        let t4 = side.end.as_ref().and_then(|end| end.sent.as_ref()).map(|sent| sent.t4);
        t4.into_iter().chain(side.manager.poll_timeout()).min()
    }

    fn wake(&mut self, side: usize) {
        let now = self.now;
        if let Some((sent, number)) = self.sides[side].end.as_mut().and_then(|end| end.resend(now))
            && let Some(to) =
                self.sides[side].end.as_ref().and_then(|end| end.target(number, |to| self.route(side, to).is_some()))
        {
            let new = match sent.change {
                Change::Add(address) | Change::Move { to: address, .. } => Some(address),
                _ => None,
            };
            self.send(side, to, sent.chunk, new);
        }
        if self.sides[side].manager.poll_timeout().is_some_and(|at| at <= now) {
            self.sides[side].manager.handle_timeout(now);
        }
        self.carry_out(side);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrive(side, packet) => self.arrive(side, packet),
            Happening::Beat => self.beat(),
            Happening::Connect => self.connect(),
        }
    }

    /// Somebody connects, if somebody has no association and the other can be reached.
    fn connect(&mut self) {
        self.after(Duration::from_secs(1), Happening::Connect);
        if self.sides.iter().all(|side| side.end.is_some()) {
            return;
        }
        let mut all = [self.present(0), self.present(1)];
        // Who connects knows no more than where the other is at home (SC-33).
        let home = self.sides[1].home;
        all[1].sort_by_key(|address| Some(*address) != home);
        let pairs = all[0].iter().flat_map(|a| all[1].iter().map(move |b| (*a, *b)));
        let works = |(a, b): &(IpAddr, IpAddr)| self.reaches(0, *b) && self.reaches(1, *a);
        let Some((a, b)) = pairs.into_iter().find(works) else { return };
        self.tag += 1;
        self.set_up = self.now;
        self.say(|| format!("association {} of {a} and {b}", self.tag));
        let initial = [u32::MAX - self.random.range(0, 4) as u32, self.random.next() as u32];
        for (side, via, primary) in [(0, a, b), (1, b, a)] {
            let (locals, mut peers) = (&all[side], all[1 - side].clone());
            peers.sort_by_key(|address| *address != primary);
            let initial = (initial[side], initial[1 - side]);
            self.sides[side].end = Some(End::new(self.tag, self.answers, locals, &peers, initial));
            self.sides[side].history = History::new(self.sides[side].manager.last);
            let locals = locals.iter().map(|address| (*address, self.interface(side, *address))).collect();
            let capability = Capability { asconf: true, auth: true };
            let established = Established { locals, via, peers, primary, capability };
            self.sides[side].manager.handle_established(&established, self.now);
            self.carry_out(side);
        }
    }

    /// The kernel's events and results go to the manager, the manager's commands to the kernel.
    pub(super) fn carry_out(&mut self, side: usize) {
        let now = self.now;
        for _ in 0..10_000 {
            self.learn(side);
            // What was decided is done before more is known.
            if let Some(command) = self.sides[side].manager.poll_command() {
                self.command(side, command);
                continue;
            }
            let end = self.sides[side].end.as_mut();
            if let Some((address, event)) = end.and_then(|end| end.events.pop_front()) {
                self.sides[side].manager.handle_peer(address, event, now);
            } else if let Some((id, outcome)) = self.sides[side].end.as_mut().and_then(|end| end.results.pop_front()) {
                self.sides[side].manager.handle_result(id, outcome, now);
            } else {
                let view = self.sides[side].manager.view(now);
                self.watch(side, &view);
                self.check_always(side, &view);
                return;
            }
        }
        panic!("the manager never rests");
    }

    fn command(&mut self, side: usize, command: Command) {
        match command {
            Command::Change { id, change } => {
                self.say(|| format!("    {side}: {change}"));
                self.check_change(side, change);
                let now = self.now;
                let end = self.sides[side].end.as_mut().expect("an association");
                if let Change::SetOwnPrimary(address) = change {
                    end.primary = address;
                    end.events.push_back((address, PathEvent::MadePrimary));
                } else {
                    end.begin(id, change, now);
                }
                if !self.answers {
                    self.sides[side].manager.handle_taken(id, now);
                } else if matches!(change, Change::SetOwnPrimary(_)) {
                    end.results.push_back((id, Outcome::Acknowledged));
                }
            }
            Command::Reconnect(reason) => {
                self.say(|| format!("    {side}: connects anew: {reason}"));
                self.sides[side].end = None;
                // The other hears it by an ABORT, or by the next INIT at the latest.
                if self.sides[1 - side].end.take().is_some() {
                    self.sides[1 - side].manager.handle_lost(self.now);
                    self.carry_out(1 - side);
                }
            }
            Command::Tell(event) => self.say(|| format!("        {side}: {event}")),
        }
    }
}

fn home(side: usize) -> IpAddr {
    Ipv4Addr::new(30 + side as u8, 0, 0, 1).into()
}

/// An address that nobody has had: of a card of a side. Every other card speaks IPv6.
pub(super) fn address(side: usize, card: usize, serial: u16) -> IpAddr {
    let [high, low] = serial.to_be_bytes();
    if card.is_multiple_of(2) {
        Ipv4Addr::new(20 + side as u8, card as u8, high, low).into()
    } else {
        Ipv6Addr::new(0x2001, 0xdb8, side as u16, card as u16, 0, 0, 0, serial).into()
    }
}
