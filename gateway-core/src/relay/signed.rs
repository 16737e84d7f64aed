//! The MACs of what was signed lately, to know them again.
//!
//! A server that knows RFC 3046 only sends our own signature back with the rest of option 82. It was made over another
//! message, so to find out that it does not sign the reply takes two more MACs; to find it here takes none.

use core::net::Ipv4Addr;

use hashbrown::HashMap;

/// Messages remembered for each server; a counter goes where it falls modulo this. An answer that takes longer than
/// this many others is still known by its counter.
const REMEMBERED: usize = 1 << 12;
/// Octets of a MAC that are kept. Who sends these back under a counter of ours saw them.
const KEPT: usize = 8;

#[derive(Clone, Copy, Debug, Default)]
struct Mac {
    counter: u64,
    octets: [u8; KEPT],
}

/// The MACs, by server and replay counter.
#[derive(Debug, Default)]
pub(super) struct SignedLately(HashMap<Ipv4Addr, Vec<Mac>>);

impl SignedLately {
    /// A message that goes to `server` has this MAC.
    pub(super) fn remember(&mut self, server: Ipv4Addr, counter: u64, mac: &[u8]) {
        let Some(octets) = mac.first_chunk().copied() else { return };
        let macs = self.0.entry(server).or_insert_with(|| vec![Mac::default(); REMEMBERED]);
        macs[place(counter)] = Mac { counter, octets };
    }

    /// Whether the message of this counter to `server` had this MAC. False also when that is forgotten.
    pub(super) fn made(&self, server: Ipv4Addr, counter: u64, mac: &[u8]) -> bool {
        let known = self.0.get(&server).map(|macs| macs[place(counter)]);
        known.is_some_and(|known| known.counter == counter && mac.first_chunk() == Some(&known.octets))
    }
}

fn place(counter: u64) -> usize {
    counter as usize % REMEMBERED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_again_until_overwritten() {
        let (server, other) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
        let mut signed = SignedLately::default();
        signed.remember(server, 7, &[1; 20]);
        assert!(signed.made(server, 7, &[1; 20]));
        assert!(!signed.made(server, 7, &[2; 20]), "another signature");
        assert!(!signed.made(server, 7, &[1; 4]), "a part of it");
        assert!(!signed.made(server, 8, &[1; 20]) && !signed.made(other, 7, &[1; 20]));
        signed.remember(server, 7 + REMEMBERED as u64, &[3; 20]);
        assert!(!signed.made(server, 7, &[1; 20]) && !signed.made(server, 7, &[3; 20]));
        assert!(signed.made(server, 7 + REMEMBERED as u64, &[3; 20]));
    }
}
