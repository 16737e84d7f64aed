//! Addresses that are kept for certain clients.

use core::net::Ipv4Addr;
use std::collections::HashMap;

use gateway_core::line::HardwareAddress;

use crate::config::class::Terms;

/// An address, and whom it is for: the client that everything says that is given here. It is leased to nobody else, and
/// need not be in a pool, only in a subnet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reservation {
    /// The address.
    pub address: Ipv4Addr,
    /// Option 61.
    pub client_id: Option<Vec<u8>>,
    /// The hardware address.
    pub mac: Option<[u8; 6]>,
    /// Sub-option 1 of option 82.
    pub circuit_id: Option<Vec<u8>>,
    /// Sub-option 2 of option 82.
    pub remote_id: Option<Vec<u8>>,
    /// What the client is told.
    pub terms: Terms,
}

impl Reservation {
    /// For nobody yet.
    pub fn new(address: Ipv4Addr) -> Self {
        Self { address, client_id: None, mac: None, circuit_id: None, remote_id: None, terms: Terms::default() }
    }

    /// Whether it is for whoever is on a line, rather than for a client.
    pub(crate) fn is_of_line(&self) -> bool {
        self.client_id.is_none() && self.mac.is_none()
    }

    /// What it goes by, most telling first.
    pub(crate) fn identities(&self) -> [Option<&[u8]>; 4] {
        let mac = self.mac.as_ref().map(|mac| &mac[..]);
        [self.client_id.as_deref(), mac, self.circuit_id.as_deref(), self.remote_id.as_deref()]
    }
}

/// Who asks: the same four, as far as they are known.
pub(crate) type Asker<'a> = [Option<&'a [u8]>; 4];

/// What a client is found by, in the order of [`Reservation::identities`].
pub(crate) fn asker<'a>(
    client_id: Option<&'a [u8]>,
    hardware: &'a HardwareAddress,
    circuit_id: Option<&'a [u8]>,
    remote_id: Option<&'a [u8]>,
) -> Asker<'a> {
    [client_id, Some(hardware.address()).filter(|octets| octets.len() == 6), circuit_id, remote_id]
}

/// All reservations, found by what they go by.
#[derive(Default, Debug)]
pub(crate) struct Reservations {
    all: Vec<Reservation>,
    /// By each of the four: those of which it is the first that is given.
    by: [HashMap<Box<[u8]>, Vec<u32>>; 4],
}

impl Reservations {
    pub(crate) fn new(all: Vec<Reservation>) -> Self {
        let mut by: [HashMap<Box<[u8]>, Vec<u32>>; 4] = Default::default();
        for (index, reservation) in (0..).zip(&all) {
            let first = by.iter_mut().zip(reservation.identities()).find_map(|(by, value)| Some((by, value?)));
            if let Some((by, value)) = first {
                by.entry(value.into()).or_default().push(index);
            }
        }
        Self { all, by }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(crate) fn get(&self, index: u32) -> &Reservation {
        &self.all[index as usize]
    }

    /// Those for this client, by what tells most first. A client on another link has others there.
    pub(crate) fn of(&self, asker: &Asker<'_>) -> Vec<u32> {
        let named = self.by.iter().zip(asker).filter_map(|(by, value)| by.get((*value)?));
        let meant = |index: &&u32| {
            let given = self.get(**index).identities();
            given.iter().zip(asker).all(|(given, found)| given.is_none() || given == found)
        };
        named.flatten().filter(meant).copied().collect()
    }

    /// Their addresses within a subnet, in order.
    pub(crate) fn within(&self, contains: impl Fn(Ipv4Addr) -> bool) -> Vec<Ipv4Addr> {
        let mut found: Vec<_> = self.all.iter().map(|one| one.address).filter(|at| contains(*at)).collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}
