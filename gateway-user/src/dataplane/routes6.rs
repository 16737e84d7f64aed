//! The IPv6 tables: access routes by prefix, their cells, where prefixes lie, and the gateway's own addresses.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv6Addr;
use std::path::Path;

use gateway_common::maps::{self, LOCAL_OWN, LOCAL_SHARED};
use gateway_common::route::{AccessRoute, Subscriber};
use gateway_common::route6::{MAX_LENGTHS, Prefixes, Route6Key};
use gateway_common::{Ip6, settings::Settings};
use gateway_core::time::{Duration, Instant};

use super::subscribers::Subscribers;
use super::table::Table;

/// A prefix with what the data plane knows of its lease: an address is a prefix of 128 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route6 {
    /// The prefix; bits behind its length don't count.
    pub prefix: Ipv6Addr,
    /// Its length, 1 to 128.
    pub length: u8,
    /// Whose it is; `slot` is a cell of its own for each prefix.
    pub route: AccessRoute,
    /// End of the lease in nanoseconds since boot.
    pub expires_ns: u64,
    /// A new lease: its counters begin at zero. Else it is one that is known, on another line or in another epoch.
    pub fresh: bool,
}

/// The maps of IPv6. One writer.
pub struct Routes6 {
    routes: Table<Route6Key, AccessRoute>,
    cells: Subscribers,
    cell: Table<u32, Prefixes>,
    locals: Table<Ip6, u32>,
    /// What the cell holds.
    prefixes: Prefixes,
    /// When lengths may be arranged for want of room again.
    not_before: Instant,
}

/// See [`Routes6::install_or_arrange`].
const ARRANGE_EVERY: Duration = Duration::from_secs(1);

impl Routes6 {
    /// Opens the maps pinned below `bpffs`.
    ///
    /// # Errors
    /// When they are not there, or of another layout.
    pub fn open(bpffs: &Path) -> anyhow::Result<Self> {
        let cell: Table<u32, Prefixes> = Table::open(&bpffs.join(maps::PREFIXES))?;
        Ok(Self {
            routes: Table::open(&bpffs.join(maps::ROUTES6))?,
            cells: Subscribers::open(&bpffs.join(maps::SUBSCRIBERS6))?,
            locals: Table::open(&bpffs.join(maps::LOCALS6))?,
            prefixes: cell.get(&0)?.unwrap_or_default(),
            cell,
            not_before: Instant::ZERO,
        })
    }

    /// Prefixes there is room for.
    pub fn capacity(&self) -> u32 {
        self.cells.capacity()
    }

    /// Lets the traffic of these prefixes through. Their lengths become known to the programs before.
    ///
    /// # Errors
    /// How many of `routes` were installed, from the first on, and why the next was not: there is no room, its length is
    /// none, or there are [`MAX_LENGTHS`] other lengths.
    pub fn install(&mut self, routes: &[Route6]) -> Result<(), (usize, io::Error)> {
        let mut wanted = self.prefixes;
        let covered = |route: &&Route6| wanted.cover(route.prefix.into(), route.length).is_some();
        let possible = routes.iter().take_while(covered).count();
        self.write(wanted).map_err(|error| (0, error))?;
        routes[..possible].iter().for_each(|route| self.begin(route.route.slot, route.expires_ns, route.fresh));
        let keys: Vec<_> = routes[..possible].iter().map(|route| key(route.prefix, route.length)).collect();
        let values: Vec<_> = routes[..possible].iter().map(|route| route.route).collect();
        self.routes.put_all(&keys, &values)?;
        match routes.get(possible) {
            None => Ok(()),
            Some(route) => {
                let what =
                    format!("/{}: not 1 to 128, or a length more than the {MAX_LENGTHS} there are", route.length);
                Err((possible, io::Error::new(io::ErrorKind::InvalidInput, what)))
            }
        }
    }

    /// The same; where there is no room for a length, those that nothing has any more are given up for it. As that reads all
    /// routes, it is done once a second at most.
    ///
    /// # Errors
    /// As [`Self::install`].
    pub fn install_or_arrange(&mut self, routes: &[Route6], now: Instant) -> Result<(), (usize, io::Error)> {
        let (stored, error) = match self.install(routes) {
            Err((stored, error)) if error.kind() == io::ErrorKind::InvalidInput && self.not_before <= now => {
                (stored, error)
            }
            done => return done,
        };
        self.not_before = now + ARRANGE_EVERY;
        if let Err(error) = self.arrange() {
            return Err((stored, error));
        }
        tracing::debug!(%error, "prefix lengths were arranged anew");
        self.install(&routes[stored..]).map_err(|(more, error)| (stored + more, error))
    }

    /// Sets the end of a lease whose route comes later; `fresh`: its counters begin at zero.
    pub(crate) fn begin(&self, slot: u32, expires_ns: u64, fresh: bool) {
        match fresh {
            true => self.cells.begin(slot, expires_ns),
            false => self.cells.set_expires(slot, expires_ns),
        }
    }

    /// Ends the traffic of these prefixes; returns how many there were. Their lengths stay known.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn remove(&self, prefixes: &[(Ipv6Addr, u8)]) -> io::Result<usize> {
        let keys: Vec<_> = prefixes.iter().map(|(prefix, length)| key(*prefix, *length)).collect();
        self.routes.remove_all(&keys)
    }

    /// The route of a prefix.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn get(&self, prefix: Ipv6Addr, length: u8) -> io::Result<Option<AccessRoute>> {
        self.routes.get(&key(prefix, length))
    }

    /// Calls `each` with every prefix and its route.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn for_each(&self, mut each: impl FnMut(Ipv6Addr, u8, AccessRoute)) -> io::Result<()> {
        self.routes.for_each(|key, route| each(key.prefix.into(), key.length as u8, route))
    }

    /// Sets the end of a lease, nanoseconds since boot: no system call.
    pub fn set_expires(&self, slot: u32, expires_ns: u64) {
        self.cells.set_expires(slot, expires_ns);
    }

    /// Notes when a prefix's subscriber was seen, nanoseconds since boot, by what the programs don't count.
    pub(crate) fn set_seen(&self, slot: u32, at_ns: u64) {
        self.cells.set_seen(slot, at_ns);
    }

    /// What the kernel counted for a prefix, and when it last saw its subscriber.
    pub fn read(&self, slot: u32) -> Option<Subscriber> {
        self.cells.read(slot)
    }

    /// The prefix lengths in the order in which the programs look for them.
    pub fn lengths(&self) -> Vec<u8> {
        self.prefixes.lengths().collect()
    }

    /// Has the programs look for these lengths first, in this order. Meanwhile a few packets may be taken for strangers'.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_lengths(&mut self, order: &[u8]) -> io::Result<()> {
        let mut wanted = self.prefixes;
        wanted.reorder(order);
        self.write(wanted)
    }

    /// Tells the programs no more than what the routes need: lengths that nothing has any more are forgotten, those in
    /// use are looked for by how many have them, addresses first, and only where their prefixes lie now. Reads all routes.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn arrange(&mut self) -> io::Result<()> {
        let mut counts: BTreeMap<u8, u32> = BTreeMap::new();
        let mut wanted = Prefixes::default();
        self.for_each(|prefix, length, _| {
            *counts.entry(length).or_default() += 1;
            // What is installed has been covered.
            let _ = wanted.cover(prefix.into(), length);
        })?;
        let mut order: Vec<_> = counts.into_iter().collect();
        order.sort_by_key(|(length, count)| (*length != 128, std::cmp::Reverse(*count)));
        wanted.reorder(&order.into_iter().map(|(length, _)| length).collect::<Vec<_>>());
        self.write(wanted)
    }

    /// Says which addresses are the gateway's own, link-local ones among them, and whether all members of a cluster have
    /// them. What is not among `locals` is forgotten; what stays is never missing meanwhile.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_locals(&self, locals: &[(Ipv6Addr, bool)]) -> io::Result<()> {
        let keys: Vec<Ip6> = locals.iter().map(|(address, _)| (*address).into()).collect();
        let values: Vec<_> = locals.iter().map(|(_, shared)| if *shared { LOCAL_SHARED } else { LOCAL_OWN }).collect();
        let mut stale = Vec::new();
        self.locals.for_each(|address, _| stale.push(address))?;
        stale.retain(|address| !keys.contains(address));
        self.locals.remove_all(&stale)?;
        self.locals.put_all(&keys, &values).map_err(|(_, error)| error)
    }

    fn write(&mut self, wanted: Prefixes) -> io::Result<()> {
        if wanted != self.prefixes {
            self.cell.put(&0, &wanted)?;
            self.prefixes = wanted;
        }
        Ok(())
    }
}

/// [`Settings::local_filter6`] for a member that does not own all units, whose own addresses these are; those that
/// members share are not among them.
pub fn local_filter(own: impl IntoIterator<Item = Ipv6Addr>) -> u32 {
    own.into_iter().fold(0, |filter, address| filter | Settings::local_bit6(address.into()))
}

/// [`Settings::main6`] where these are all own addresses, of which there is one at least.
pub fn main_filter(own: &[Ipv6Addr]) -> u64 {
    own.iter().fold(0, |filter, address| filter | Settings::main_bit6((*address).into()))
}

fn key(prefix: Ipv6Addr, length: u8) -> Route6Key {
    Route6Key::new(prefix.into(), length)
}
