//! The cluster's clients: they log in, renew, and leave, and remember what they were told.

use core::net::{Ipv4Addr, Ipv6Addr};

use gateway_common::unit::{self, Unit};

use super::node::Node;
use super::shell::Frame;
use super::world::{Happening, World, id};
use crate::cluster::Disposition;
use crate::line::HardwareAddress;

/// How many of DHCPv4. Where DHCPv6 is served, each of these subscribers is a client of that, too: client `CLIENTS + n` is
/// subscriber `n`.
pub(super) const CLIENTS: usize = 24;
/// Unix milliseconds at which worlds begin.
pub(super) const BIRTH: u64 = 1_700_000_000_000;
/// From a world's beginning to the end of its first lease, and from one lease's end to the next one's, in milliseconds.
const LEASE: u64 = 36_000_000;
const STEP: u64 = 10;
/// Numbers of changes in a second, in which what was said has arrived.
const TALK: u64 = 1000 << 12;

/// What a client was given: its first login, or a renewal. Later ones have greater numbers, and end later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Lease {
    pub(super) client: usize,
    pub(super) number: u64,
}

/// What a client knows.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Client {
    /// The last lease that it was told of.
    pub(super) told: u64,
    /// The last lease there was when it gave its address back.
    pub(super) left: u64,
}

impl Client {
    /// It has an address and uses it.
    pub(super) fn is_in(&self) -> bool {
        self.told > self.left
    }
}

pub(super) fn address(client: usize) -> Ipv4Addr {
    Ipv4Addr::new(100, 64, 0, client as u8)
}

pub(super) fn hardware(client: usize) -> HardwareAddress {
    HardwareAddress::ethernet([2, 0, 0, 7, 0, client as u8])
}

/// Where its DHCPv6 comes from.
pub(super) fn link_local(subscriber: usize) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, subscriber as u16)
}

/// Its unit.
pub(super) fn unit(client: usize) -> Unit {
    if let Some(subscriber) = client.checked_sub(CLIENTS) {
        return unit::dhcp6(&unit::UnitKey::NONE, unit::words(link_local(subscriber).octets()));
    }
    let hardware = hardware(client);
    unit::dhcp4(&unit::UnitKey::NONE, unit::words(*hardware.chaddr()), hardware.hlen())
}

/// The end of a lease, in Unix milliseconds.
pub(super) fn expires(number: u64) -> u64 {
    BIRTH + LEASE + number * STEP
}

/// The lease that ends then.
pub(super) fn number(expires: u64) -> u64 {
    (expires - BIRTH - LEASE + STEP / 2) / STEP
}

impl World {
    /// A client asks for its address, or for more time, or gives it back.
    pub(super) fn client(&mut self) {
        let client = self.random.range(0, self.clients.len() as u64) as usize;
        if self.random.chance(100) {
            self.clients[client].left = self.leases;
            self.say(|| format!("        client {client} leaves"));
            self.punt(client, Frame::Release { client });
        } else {
            self.log_in(client);
        }
    }

    pub(super) fn log_in(&mut self, client: usize) {
        self.leases += 1;
        self.punt(client, Frame::Granted(Lease { client, number: self.leases }));
    }

    /// A message of a client reaches whoever's data plane takes it.
    fn punt(&mut self, client: usize, frame: Frame) {
        let unit = unit(client).index() as usize;
        for node in 0..self.nodes.len() {
            let clock = self.nodes[node].clock(self.now);
            let machine = &mut self.nodes[node];
            let (Some(cluster), Some(shell)) = (&machine.cluster, &mut machine.shell) else { continue };
            let serves = cluster.acts_until() > clock;
            if serves && machine.rules[unit].1 == Disposition::Own {
                shell.frames.push_back(frame);
                let (boot, delay) = (machine.boot, self.random.range(5, 3_000));
                let version = shell.versions[unit];
                self.say(|| format!("        member {} gets {frame:?} of unit {unit} in {version:?}", id(node)));
                self.after(delay, Happening::Turn { node, boot });
            }
        }
    }

    /// Whether all that clients were told is still known if this member's disk is lost.
    pub(super) fn is_expendable(&self, node: usize) -> bool {
        let known = |(client, of): (usize, &Client)| {
            !of.is_in()
                || (0..self.nodes.len())
                    .any(|other| other != node && self.nodes[other].lease(client).is_some_and(|lease| lease >= of.told))
        };
        self.clients.iter().enumerate().all(known)
    }

    /// What a member said long ago has reached all others.
    fn hear_each_other(&self) -> Result<(), String> {
        for (node, machine) in self.nodes.iter().enumerate() {
            let Some(shell) = &machine.shell else { continue };
            let position = |other: &Node| other.shell.as_ref().map(|other| other.replication.positions().get(id(node)));
            let heard: Vec<_> = self.nodes.iter().map(position).collect();
            let last = shell.replication.last_seq();
            if let Some(other) = heard.iter().position(|heard| heard.is_none_or(|heard| heard + TALK < last)) {
                return Err(format!(
                    "member {} has {:?} of member {}, which is at {last}",
                    id(other),
                    heard[other],
                    id(node)
                ));
            }
        }
        Ok(())
    }

    /// All members have the same sessions, and in them is whoever was told so and has not left since.
    pub(super) fn agree(&self) -> Result<(), String> {
        for node in 0..self.nodes.len() {
            if !self.nodes[node].shell.as_ref().is_some_and(|shell| shell.replication.is_synced()) {
                return Err(format!("the state of member {} is not complete", id(node)));
            }
        }
        self.hear_each_other()?;
        for (client, of) in self.clients.iter().enumerate() {
            let shells = self.nodes.iter().filter_map(|node: &Node| node.shell.as_ref());
            let held: Vec<_> = shells.map(|shell| shell.tables.held(client)).collect();
            if held.iter().any(|parts| *parts != held[0]) {
                return Err(format!("client {client}, told {}, left {}, has {held:?}", of.told, of.left));
            }
            if of.is_in() && held[0].iter().any(|part| part.is_none_or(|lease| lease < of.told)) {
                return Err(format!("client {client} was told of lease {} and has {:?}", of.told, held[0]));
            }
        }
        Ok(())
    }
}
