//! The addresses of this host on its links, which card each is on, and how good those are.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use gateway_core::association::Presence;
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use tokio::sync::watch;

use super::signals::{self, Received, Signals};
use crate::io::netlink::Monitor;

/// Addresses are looked at so often, whatever netlink says.
const LOOK: Duration = Duration::from_secs(1);

/// Interfaces whose addresses an association may have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Links {
    /// Their names. One need not be there yet.
    pub interfaces: Vec<String>,
    /// Addresses that no association may have, wherever they are: those that other hosts have as well.
    pub without: Vec<IpAddr>,
}

/// The card that an address is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Card {
    /// Its index.
    pub index: u32,
    /// It works: it is up, with carrier.
    pub up: bool,
    /// Leading bits that all hosts on its segment share.
    pub prefix: u8,
}

/// Addresses, their cards, and what those say of themselves.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Locals {
    cards: BTreeMap<IpAddr, Card>,
    /// What each card loses, of 1000.
    signals: BTreeMap<u32, u16>,
}

impl Locals {
    /// An address's card.
    pub fn get(&self, address: IpAddr) -> Option<Card> {
        self.cards.get(&address).copied()
    }

    /// All addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.cards.keys().copied()
    }

    /// The card whose segment a host is on; `None`: it is on none.
    pub fn card_to(&self, host: IpAddr) -> Option<u32> {
        let on =
            self.cards.iter().filter(|(address, card)| shared(**address, host).is_some_and(|bits| bits >= card.prefix));
        on.max_by_key(|(_, card)| card.prefix).map(|(_, card)| card.index)
    }

    /// What has become of addresses since `before`: each with its card.
    pub fn since(&self, before: &Self) -> Vec<(IpAddr, u32, Presence)> {
        let gone = before.cards.iter().filter(|(address, _)| !self.cards.contains_key(*address));
        let gone = gone.map(|(address, card)| (*address, card.index, Presence::Gone));
        let now = self.cards.iter().filter(|(address, card)| before.cards.get(*address) != Some(*card));
        let presence = |up| if up { Presence::Up } else { Presence::Down };
        gone.chain(now.map(|(address, card)| (*address, card.index, presence(card.up)))).collect()
    }

    /// Cards whose signal is another one than `before`, of 1000 what is lost; `None`: the card is gone.
    pub fn signals_since(&self, before: &Self) -> Vec<(u32, Option<u16>)> {
        let gone = before.signals.keys().filter(|card| !self.signals.contains_key(card)).map(|card| (*card, None));
        let now = self.signals.iter().filter(|(card, loss)| before.signals.get(card) != Some(*loss));
        gone.chain(now.map(|(card, loss)| (*card, Some(*loss)))).collect()
    }
}

/// How many leading bits two addresses of one family share.
fn shared(one: IpAddr, other: IpAddr) -> Option<u8> {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => Some((one.to_bits() ^ other.to_bits()).leading_zeros() as u8),
        (IpAddr::V6(one), IpAddr::V6(other)) => Some((one.to_bits() ^ other.to_bits()).leading_zeros() as u8),
        _ => None,
    }
}

impl Links {
    /// The IPv4 addresses that the host has there now.
    ///
    /// # Errors
    /// As the kernel has it.
    pub fn look(&self) -> io::Result<Locals> {
        let cards = getifaddrs()?.filter_map(|entry| self.card(&entry)).collect();
        Ok(Locals { cards, signals: BTreeMap::new() })
    }

    /// What its cards have received.
    fn received(&self) -> io::Result<BTreeMap<u32, Received>> {
        let received = signals::received()?;
        let of = |link: &String| Some((if_nametoindex(link.as_str()).ok()?, *received.get(link)?));
        Ok(self.interfaces.iter().filter_map(of).collect())
    }

    fn card(&self, entry: &InterfaceAddress) -> Option<(IpAddr, Card)> {
        let ip: Ipv4Addr = entry.address.as_ref()?.as_sockaddr_in()?.ip();
        let address = IpAddr::from(ip);
        // An address with a label of its own is said to be of "eth2:1".
        let name = entry.interface_name.split(':').next().unwrap_or_default();
        if !self.interfaces.iter().any(|link| link == name) || self.without.contains(&address) {
            return None;
        }
        let mask = entry.netmask.as_ref().and_then(|mask| mask.as_sockaddr_in()).map_or(u32::MAX, |m| m.ip().to_bits());
        let works = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
        let card = Card {
            index: if_nametoindex(name).ok()?,
            up: entry.flags.contains(works),
            prefix: mask.leading_ones() as u8,
        };
        Some((address, card))
    }

    /// Tells from now on what addresses there are, as they change, in a task of the current runtime. It ends when nobody
    /// listens any more.
    ///
    /// # Errors
    /// As the kernel has it.
    pub fn follow(self) -> anyhow::Result<watch::Receiver<Locals>> {
        let mut monitor = Monitor::open()?;
        let (sender, receiver) = watch::channel(self.look()?);
        let (links, mut signals) = (Arc::new(self), Signals::default());
        tokio::spawn(async move {
            while !sender.is_closed() {
                // What was said is looked up: a message that was lost loses nothing then.
                tokio::select! {
                    heard = monitor.readable() => {
                        if heard.is_err() || monitor.drain(|_| {}).is_err() {
                            tokio::time::sleep(LOOK).await;
                        }
                    }
                    () = tokio::time::sleep(LOOK) => {}
                }
                // The kernel has whoever looks wait for whoever makes or removes a link: what messages are sent by must not.
                let look = Arc::clone(&links);
                let looked = tokio::task::spawn_blocking(move || look.look().map(|now| (now, look.received())));
                if let Ok(Ok((mut now, received))) = looked.await {
                    // Who is not told goes by what was so before.
                    if let Ok(received) = received {
                        signals.judge(&received);
                    }
                    now.signals = signals.all();
                    sender.send_if_modified(|before| {
                        let changed = *before != now;
                        *before = now;
                        changed
                    });
                }
            }
        });
        Ok(receiver)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locals(all: &[(&str, u32, bool, u8)]) -> Locals {
        let card = |&(address, index, up, prefix): &(&str, u32, bool, u8)| {
            (address.parse().unwrap(), Card { index, up, prefix })
        };
        Locals { cards: all.iter().map(card).collect(), signals: BTreeMap::new() }
    }

    /// SC-24, SC-26: what has become of a signal is told, and no other.
    #[test]
    fn signals_that_have_changed() {
        let with = |signals: &[(u32, u16)]| Locals { signals: signals.iter().copied().collect(), ..Locals::default() };
        let before = with(&[(2, 0), (3, 7), (4, 900)]);
        assert_eq!(before.signals_since(&before), []);
        let after = with(&[(3, 7), (4, 0), (5, 1)]);
        assert_eq!(after.signals_since(&before), [(2, None), (4, Some(0)), (5, Some(1))]);
    }

    /// SC-21, SC-22: what comes, goes, moves to another card or loses its carrier is told, and nothing else.
    #[test]
    fn what_has_changed() {
        let before = locals(&[("10.0.1.1", 2, true, 24), ("10.0.2.1", 3, true, 24), ("10.0.3.1", 4, true, 24)]);
        assert_eq!(before.since(&before), []);
        let after = locals(&[("10.0.2.1", 3, false, 24), ("10.0.3.1", 7, true, 24), ("10.0.4.1", 5, true, 24)]);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let expected = [
            (ip("10.0.1.1"), 2, Presence::Gone),
            (ip("10.0.2.1"), 3, Presence::Down),
            (ip("10.0.3.1"), 7, Presence::Up),
            (ip("10.0.4.1"), 5, Presence::Up),
        ];
        assert_eq!(after.since(&before), expected);
    }

    #[test]
    fn a_host_is_on_the_segment_with_the_longest_prefix() {
        let locals = locals(&[("10.0.0.1", 2, true, 8), ("10.9.1.1", 3, true, 24), ("192.0.2.1", 4, true, 32)]);
        let to = |host: &str| locals.card_to(host.parse().unwrap());
        assert_eq!((to("10.9.1.2"), to("10.8.0.1"), to("192.0.2.2")), (Some(3), Some(2), None));
        assert_eq!(to("2001:db8::1"), None);
    }

    /// An address that others have as well is none to send from (H-SC-11).
    #[test]
    fn the_loopback_has_its_address() {
        let mut links = Links { interfaces: vec!["lo".to_owned()], without: Vec::new() };
        let own = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(links.look().unwrap().get(own), Some(Card { index: 1, up: true, prefix: 8 }));
        links.without.push(own);
        assert_eq!(links.look().unwrap().get(own), None);
        let nothing = Links { interfaces: vec!["nothing".to_owned()], without: Vec::new() };
        assert_eq!(nothing.look().unwrap(), Locals::default());
    }
}
