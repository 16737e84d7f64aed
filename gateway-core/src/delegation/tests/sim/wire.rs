//! The network: what is said is lost, doubled and late, and servers are cut off for hours.

use core::net::Ipv4Addr;

use super::world::{Event, World};
use crate::delegation::{Proof, Proven};
use crate::time::{Duration, Instant};

/// A message under way.
pub(super) struct Datagram {
    from: Ipv4Addr,
    pub(super) to: Ipv4Addr,
    octets: Vec<u8>,
    signed: bool,
    /// The sender's counter of messages.
    counter: u64,
}

impl World {
    pub(super) fn send(&mut self, index: usize, to: Ipv4Addr, octets: Vec<u8>, proof: Proof) {
        let server = &mut self.servers[index];
        server.sent += 1;
        let (from, counter) = (server.config.address, server.sent);
        let signed = self.keyed || proof == Proof::Signed;
        if self.is_cut(from) {
            return;
        }
        let copies = if self.trouble && self.random.chance(self.doubling) { 2 } else { 1 };
        for copy in 0..copies {
            if self.trouble && self.random.chance(self.loss) {
                continue;
            }
            // A second one may be a minute late, which is less than a subnet rests for.
            let late = if copy > 0 { self.random.range(1, 60_000) } else { self.random.range(1, 300) };
            let datagram = Datagram { from, to, octets: octets.clone(), signed, counter };
            self.schedule(Duration::from_millis(late), Event::Arrive(datagram));
        }
    }

    pub(super) fn arrive(&mut self, datagram: Datagram) {
        let Datagram { from, to, octets, signed, counter } = datagram;
        let index = self.servers.iter().position(|server| server.config.address == to);
        let Some(index) = index.filter(|_| !self.is_cut(to)) else { return };
        let (now, server) = (self.now, &mut self.servers[index]);
        // What was signed is believed once, and not after a later message of the same server.
        let last = server.seen.entry(from).or_default();
        let proven = if signed && server.core.is_some() && counter > *last {
            *last = counter;
            Proven::Yes
        } else {
            Proven::No
        };
        self.act(index, |core| {
            core.handle_message(&octets, from, proven, now);
        });
    }

    /// Nothing reaches this server, and nothing that it says reaches others.
    fn is_cut(&self, address: Ipv4Addr) -> bool {
        let cut = |until: Instant| self.trouble && until > self.now;
        self.servers.iter().any(|server| server.config.address == address && cut(server.cut_until))
    }
}
