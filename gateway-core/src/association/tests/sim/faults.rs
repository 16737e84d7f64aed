//! What reaches whom, and what goes wrong.

use core::net::IpAddr;

use super::packet::Packet;
use super::world::{HOME, Kind, Link, World, address};
use crate::association::Presence;
use crate::time::Duration;

/// What a detour over home takes more.
const DETOUR: u64 = 40;

impl World {
    /// The card that has this address.
    fn card(&self, side: usize, of: IpAddr) -> Option<usize> {
        self.sides[side].cards.iter().position(|card| card.addresses.contains(&of))
    }

    pub(super) fn interface(&self, side: usize, of: IpAddr) -> u32 {
        self.card(side, of).map_or(HOME, |card| self.sides[side].cards[card].interface)
    }

    /// The address can send and receive, as far as this side is concerned.
    pub(super) fn holds(&self, side: usize, of: IpAddr) -> bool {
        let works = |card: usize| self.sides[side].cards[card].carrier;
        if self.sides[side].home == Some(of) {
            return (0..self.sides[side].cards.len()).any(works);
        }
        self.card(side, of).is_some_and(works)
    }

    /// All that this side has and that works.
    pub(super) fn present(&self, side: usize) -> Vec<IpAddr> {
        let cards = self.sides[side].cards.iter().filter(|card| card.carrier);
        let all = cards.flat_map(|card| card.addresses.iter()).copied().chain(self.sides[side].home);
        all.filter(|address| self.holds(side, *address)).take(16).collect()
    }

    /// The card by which packets to an address leave.
    pub(super) fn route(&self, side: usize, to: IpAddr) -> Option<usize> {
        let cards = &self.sides[side].cards;
        let works = |card: &usize| cards[*card].carrier && !cards[*card].addresses.is_empty();
        if self.kind.is_routed() {
            return (0..cards.len()).find(works);
        }
        // On links of their own an address says which link it is on.
        let card = match to {
            IpAddr::V4(to) => to.octets()[1] as usize,
            IpAddr::V6(to) => to.segments()[3] as usize,
        };
        Some(card).filter(works)
    }

    /// The links that a packet takes, and how much more time.
    fn way(&self, side: usize, card: usize, to: IpAddr) -> Option<(Vec<Link>, u64)> {
        let other = 1 - side;
        if !self.holds(other, to) {
            return None;
        }
        let at = self.card(other, to).or_else(|| self.sides[other].cards.iter().position(|card| card.carrier))?;
        let detour = if self.sides[other].home == Some(to) { DETOUR } else { 0 };
        let cards = self.sides[side].cards.len();
        let links = if self.kind.is_routed() {
            let number = |side: usize, card: usize| side * cards + card;
            vec![self.links[number(side, card)], self.links[number(other, at)]]
        } else if at == card {
            vec![self.links[card]]
        } else {
            return None;
        };
        links.iter().all(|link| link.up).then_some((links, detour))
    }

    /// How long a packet is on its way, if it arrives.
    pub(super) fn travel(&mut self, side: usize, card: usize, packet: &Packet) -> Option<Duration> {
        let (links, detour) = self.way(side, card, packet.destination)?;
        for link in &links {
            if self.random.chance(link.loss) {
                return None;
            }
        }
        let millis = links.iter().map(|link| link.millis).sum::<u64>() + detour;
        let jitter = self.random.range(0, millis * 50 + 1);
        Some(Duration::from_micros(millis * 1000 + jitter))
    }

    pub(super) fn reaches(&self, side: usize, to: IpAddr) -> bool {
        self.route(side, to).is_some_and(|card| self.way(side, card, to).is_some())
    }

    pub(super) fn local(&mut self, side: usize, of: IpAddr, interface: u32) {
        let now = self.now;
        let presence = if interface == HOME {
            Presence::Up
        } else {
            let card = self.sides[side].cards.iter().find(|card| card.interface == interface);
            match card.filter(|card| card.addresses.contains(&of)) {
                Some(card) if card.carrier => Presence::Up,
                Some(_) => Presence::Down,
                None => Presence::Gone,
            }
        };
        self.sides[side].manager.handle_local(of, interface, presence, now);
        self.carry_out(side);
    }

    pub(super) fn get_address(&mut self, side: usize, card: usize) {
        let of_link: Vec<_> = (0..self.freed.len()).filter(|index| self.freed[*index].0 == card).collect();
        let new = if !of_link.is_empty() && self.random.chance(400) {
            let index = of_link[self.random.range(0, of_link.len() as u64) as usize];
            self.freed.remove(index).1
        } else {
            self.serial += 1;
            address(side, card, self.serial)
        };
        self.say(|| format!("{side}: card {card} gets {new}"));
        self.sides[side].cards[card].addresses.push(new);
        let interface = self.sides[side].cards[card].interface;
        self.local(side, new, interface);
    }

    fn lose_address(&mut self, side: usize, card: usize, index: usize) {
        let old = self.sides[side].cards[card].addresses.remove(index);
        self.freed.push((card, old));
        self.say(|| format!("{side}: card {card} loses {old}"));
        let interface = self.sides[side].cards[card].interface;
        self.local(side, old, interface);
    }

    fn carrier(&mut self, side: usize, card: usize, carrier: bool) {
        self.say(|| format!("{side}: card {card} {}", if carrier { "has carrier" } else { "has no carrier" }));
        self.sides[side].cards[card].carrier = carrier;
        let interface = self.sides[side].cards[card].interface;
        for address in self.sides[side].cards[card].addresses.clone() {
            self.local(side, address, interface);
        }
    }

    /// Another network: the addresses are gone, another comes, not always at once.
    fn renumber(&mut self, side: usize, card: usize) {
        while !self.sides[side].cards[card].addresses.is_empty() {
            self.lose_address(side, card, 0);
        }
        self.get_address(side, card);
    }

    fn set_link(&mut self, number: usize, link: Link) {
        self.links[number] = link;
        self.say(|| format!("link {number}: {link:?}"));
        if self.kind.is_routed() {
            let cards = self.sides[0].cards.len();
            let (side, card) = (number / cards, number % cards);
            let interface = self.sides[side].cards[card].interface;
            let signal = if link.up { link.signal } else { 1000 };
            self.sides[side].manager.handle_signal(interface, signal, self.now);
            self.carry_out(side);
        }
    }

    /// Something of all that can happen.
    pub(super) fn mishap(&mut self) {
        let spared = usize::from(self.kind == Kind::Steady);
        let (side, cards) = (self.random.range(0, 2) as usize, self.sides[0].cards.len());
        let card = self.random.range(spared as u64, cards as u64) as usize;
        let number = self.random.range(spared as u64, self.links.len() as u64) as usize;
        let link = self.links[number];
        let has = self.sides[side].cards[card].addresses.len();
        match self.random.range(0, 12) {
            // With a home only moves are asked of it: what else can be lost is lost elsewhere.
            _ if self.kind == Kind::Home && self.random.chance(500) => {
                (0..2).for_each(|side| self.renumber(side, card))
            }
            0 | 1 => {
                let loss = [0u64, 50, 200, 400, 800][self.random.range(0, 5) as usize];
                let loss = if self.kind == Kind::Home { loss.min(50) } else { loss };
                let millis = [1u64, 5, 20, 50, 80][self.random.range(0, 5) as usize];
                self.set_link(number, Link { loss, millis, signal: loss as u16, ..link });
            }
            2 | 3 if self.kind != Kind::Home => self.set_link(number, Link { up: !link.up, ..link }),
            4 | 5 if self.kind != Kind::Home => {
                let carrier = self.sides[side].cards[card].carrier;
                self.carrier(side, card, !carrier);
            }
            6 => self.renumber(side, card),
            7 => (0..2).for_each(|side| self.renumber(side, card)),
            8 if has < 3 => self.get_address(side, card),
            9 if has > 1 || has == 1 && self.kind != Kind::Home => {
                let index = self.random.range(0, has as u64) as usize;
                self.lose_address(side, card, index);
            }
            10 if self.kind == Kind::Links => (0..2).for_each(|side| {
                let carrier = self.random.chance(500);
                self.carrier(side, card, carrier);
            }),
            _ if has == 0 => self.get_address(side, card),
            _ => {}
        }
    }

    /// Everything works again, and one link is better than all others.
    pub(super) fn heal(&mut self) {
        self.say(|| "everything works again".into());
        let first = self.random.range(0, 8);
        for number in 0..self.links.len() {
            let place = (number as u64 * 5 + first) % 8;
            // Where the route decides which card is used, what a card says of itself tells them apart.
            let (millis, signal) = if self.kind.is_routed() { (10, place as u16 * 15) } else { (4 + place * 10, 0) };
            self.set_link(number, Link { up: true, loss: 0, millis, signal });
        }
        for side in 0..2 {
            for card in 0..self.sides[side].cards.len() {
                if !self.sides[side].cards[card].carrier {
                    self.carrier(side, card, true);
                }
                if self.sides[side].cards[card].addresses.is_empty() {
                    self.get_address(side, card);
                }
            }
        }
    }
}
