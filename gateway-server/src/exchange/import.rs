//! Which leases of a file go into a store, and as what.
//!
//! The latest wins: of an address's lines in the file the last one, of the file's and the store's lease of an address the one
//! with the later transaction, of a DHCPv4 client's leases in one subnet likewise. What is over never displaces what is in
//! force. What no pool has is left out.

mod records;

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use gateway_core::scope::Scope;
use gateway_core::time::{Duration, Instant};

use self::records::{lease4, lease6};
use super::tagged::{Known, Tagged};
use super::{Lease, NEVER, Place, Report, State, What, Why};
use crate::config::Config;
use crate::config::area;
use crate::config::reservation::Reservations;
use crate::leases::Client;
use crate::record::{self, Durable, Moment, Now, Record};
use crate::v6;
use crate::v6::record::Record as Record6;

/// A record to write: its key, and its value.
pub type Written = (Vec<u8>, Vec<u8>);

/// Where a lease is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Origin {
    Store,
    /// And where in it.
    File(Place),
}

/// A DHCPv4 client in a subnet: the index of that, and how clients are told apart.
type Holder = (usize, (u8, u8, Vec<u8>));

/// An import under way.
#[derive(Debug)]
pub struct Import<'c> {
    config: &'c Config,
    /// First and last address of each range that the server leases, reservations included, in order.
    pools: Vec<(Ipv4Addr, Ipv4Addr)>,
    now: Now,
    unix: u64,
    stored: BTreeMap<What, Lease>,
    file: BTreeMap<What, (Place, Lease)>,
    /// Highest transaction number of the store, of DHCPv4 and of DHCPv6.
    sequences: [u64; 2],
    known: Known,
    report: Report,
}

impl<'c> Import<'c> {
    /// Into the store of a server that has this configuration. `unix` is now, since 1970.
    pub fn new(config: &'c Config, unix: Duration) -> Self {
        // Where only the wall clock matters, boot may as well have been in 1970.
        let at = Instant::from_nanos(u64::try_from(unix.as_nanos()).unwrap_or(u64::MAX));
        let mut excluded = config.excluded.clone();
        excluded.sort_unstable();
        let reservations = Reservations::new(config.reservations.clone());
        let subnets = config.subnets.iter().cloned();
        let areas = subnets.flat_map(|subnet| area::areas(subnet, &reservations, &excluded));
        let mut pools: Vec<_> = areas.flat_map(|area| area.pools).collect();
        pools.sort_unstable();
        Self {
            config,
            pools,
            now: Now { at, unix },
            unix: unix.as_secs(),
            stored: BTreeMap::new(),
            file: BTreeMap::new(),
            sequences: [0, 0],
            known: Known::default(),
            report: Report::default(),
        }
    }

    /// A record of the store.
    ///
    /// # Errors
    /// When it can't be read; the text says what it is for. The server would not start with it either.
    pub fn stored(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let unreadable = |name: String| format!("{name} can't be read: it is damaged, or a later version wrote it");
        if key.first() == Some(&v6::record::CLASS) {
            let record = Record6::decode(key, value, &self.now);
            match record.ok_or_else(|| unreadable(v6::record::name(key)))? {
                Record6::Lease(binding, record) => {
                    self.sequences[1] = self.sequences[1].max(record.sequence);
                    let what = What::Six(binding);
                    if let (Some(scope), Durable::Active) = (&record.scope, record.state) {
                        self.tag(what, scope, (record.sequence, record.last), record.expires, value);
                    }
                    self.keep(lease6(binding, &record, &self.now));
                }
                Record6::Cutoff(scope, cutoff) => {
                    self.sequences[1] = self.sequences[1].max(cutoff.sequence);
                    self.known.cutoffs.push((true, scope, cutoff));
                }
                Record6::Result { .. } => {}
            }
            return Ok(());
        }
        match Record::decode(key, value, &self.now).ok_or_else(|| unreadable(record::name(key)))? {
            Record::Lease(address, record) => {
                self.sequences[0] = self.sequences[0].max(record.sequence);
                let what = What::Four(address);
                if let (Some(scope), Durable::Active) = (&record.scope, record.state) {
                    self.tag(what, scope, (record.sequence, record.last), record.expires, value);
                }
                self.keep(lease4(address, &record, &self.now));
            }
            Record::Cutoff(scope, cutoff) => {
                self.sequences[0] = self.sequences[0].max(cutoff.sequence);
                self.known.cutoffs.push((false, scope, cutoff));
            }
            _ => {}
        }
        Ok(())
    }

    fn tag(&mut self, what: What, scope: &Scope, (sequence, last): (u64, Moment), expires: Instant, value: &[u8]) {
        if expires > self.now.at {
            let (scope, value, last) = (scope.clone(), value.to_vec(), self.now.unix_of(last));
            self.known.leases.push(Tagged { what, scope, sequence, last, value });
        }
    }

    fn keep(&mut self, lease: Lease) {
        let lease = lease.at(self.unix);
        self.stored.insert(lease.what, lease);
    }

    /// A lease of a file, in the order of the files and of each.
    pub fn take(&mut self, place: Place, lease: Lease) {
        self.report.read += 1;
        // What rests for a while is over for another server, and a clock that was ahead is no reason to win.
        let state = if lease.state == State::Quarantined { State::Released } else { lease.state };
        let lease = Lease { state, last: lease.last.min(self.unix), ..lease };
        let again = self.file.insert(lease.what, (place, lease.at(self.unix)));
        self.report.repeated += u64::from(again.is_some());
    }

    /// What is to be written, and what that is.
    pub fn finish(mut self) -> (Report, Vec<Written>) {
        let mut report = core::mem::take(&mut self.report);
        let mut taken = Vec::new();
        for (what, (place, lease)) in core::mem::take(&mut self.file) {
            let stored = self.stored.get(&what);
            if !self.has(&what) {
                report.outside += 1;
                report.note(place, what, Why::Outside);
            } else if !lease.state.holds() && (!lease.has_client() || stored.is_some_and(|stored| stored.state.holds()))
            {
                report.over += 1;
            } else if stored.is_some_and(|stored| stored.age(&lease).is_ge()) {
                report.older += 1;
                if stored.is_some_and(|stored| !stored.is_same(&lease)) {
                    report.note(place, what, Why::Older);
                }
            } else {
                taken.push((place, lease));
            }
        }
        let ended = self.one_for_each_client(&mut taken, &mut report);
        for (place, lease) in &taken {
            if self.stored.get(&lease.what).is_some_and(|stored| stored.state.holds() && !stored.is_same(lease)) {
                report.replaced += 1;
                report.note(*place, lease.what, Why::Replaces(lease.what.to_string()));
            }
            match lease.state {
                State::Active => report.active += 1,
                State::Abandoned => report.abandoned += 1,
                _ => report.remembered += 1,
            }
        }
        let mut written: Vec<Written> = ended.iter().map(|lease| self.record(lease)).collect();
        // In the order of their transactions, as the server numbers them, with what the store has of the same devices.
        let tagged = taken.iter().filter(|(_, lease)| lease.state == State::Active);
        let devices = tagged.filter_map(|(_, lease)| Some((lease.what.is_six(), lease.scope.as_ref()?.device.clone())));
        let devices = devices.collect();
        let gone: BTreeSet<What> = ended.iter().chain(taken.iter().map(|(_, lease)| lease)).map(|it| it.what).collect();
        let stay =
            core::mem::take(&mut self.known).of(&devices).into_iter().filter(|lease| !gone.contains(&lease.what));
        let stay = stay.map(|lease| (lease.last, lease.what, Err(lease.value)));
        let new = taken.into_iter().map(|(_, lease)| (lease.last.saturating_mul(1_000_000_000), lease.what, Ok(lease)));
        let mut all: Vec<(u64, What, Result<Lease, Vec<u8>>)> = new.chain(stay).collect();
        all.sort_by_key(|(last, what, _)| (*last, *what));
        written.extend(all.into_iter().filter_map(|(_, what, lease)| match lease {
            Ok(lease) => Some(self.record(&lease)),
            Err(value) => self.numbered_anew(what, &value),
        }));
        (report, written)
    }

    /// Leaves each DHCPv4 client one lease in each subnet. What the store has to forget is returned, as released.
    fn one_for_each_client(&self, taken: &mut Vec<(Place, Lease)>, report: &mut Report) -> Vec<Lease> {
        let mut best: HashMap<Holder, (Origin, &Lease)> = HashMap::new();
        let stored = self.stored.values().filter(|lease| lease.state.holds()).map(|lease| (Origin::Store, lease));
        for (origin, lease) in stored.chain(taken.iter().map(|(place, lease)| (Origin::File(*place), lease))) {
            let Some(holder) = self.holder(lease) else { continue };
            let rank = |(origin, lease): (Origin, &Lease)| (lease.state.holds(), lease.last, origin != Origin::Store);
            let entry = best.entry(holder).or_insert((origin, lease));
            if rank((origin, lease)) > rank(*entry) {
                *entry = (origin, lease);
            }
        }
        let winners: HashMap<Holder, (Origin, What)> =
            best.into_iter().map(|(holder, (origin, lease))| (holder, (origin, lease.what))).collect();
        taken.retain(|(place, lease)| {
            let Some((_, winner)) = self.holder(lease).and_then(|holder| winners.get(&holder)) else { return true };
            if *winner == lease.what {
                return true;
            }
            match lease.state.holds() {
                true => {
                    report.moved += 1;
                    report.note(*place, lease.what, Why::Moved(winner.to_string()));
                }
                false => report.over += 1,
            }
            false
        });
        let replaced = |lease: &&Lease| lease.state.holds() && taken_is_not(taken, lease.what);
        let mut ended = Vec::new();
        for lease in self.stored.values().filter(replaced) {
            let Some((Origin::File(place), winner)) = self.holder(lease).and_then(|holder| winners.get(&holder)) else {
                continue;
            };
            if *winner != lease.what {
                report.replaced += 1;
                report.note(*place, *winner, Why::Replaces(lease.what.to_string()));
                ended.push(Lease { state: State::Released, expires: NEVER, scope: None, ..lease.clone() });
            }
        }
        ended
    }

    fn holder(&self, lease: &Lease) -> Option<Holder> {
        let What::Four(address) = lease.what else { return None };
        let subnet = self.config.subnets.iter().position(|subnet| subnet.contains(address))?;
        let id = (!lease.client.is_empty()).then_some(lease.client.as_slice());
        let client = Client { id, hardware: lease.hardware };
        let (kind, htype, octets) = client.key();
        lease.has_client().then(|| (subnet, (kind, htype, octets.to_vec())))
    }

    /// Whether a pool has it.
    fn has(&self, what: &What) -> bool {
        match what {
            What::Four(address) => {
                let before = self.pools.partition_point(|(first, _)| first <= address);
                let inside = before.checked_sub(1).is_some_and(|index| *address <= self.pools[index].1);
                inside && !self.config.subnets.iter().any(|subnet| subnet.reserves(*address))
            }
            What::Six(binding) => self.config.v6.as_ref().is_some_and(|six| six.leases(binding)),
        }
    }
}

fn taken_is_not(taken: &[(Place, Lease)], what: What) -> bool {
    // In ascending order, as they come from a map.
    taken.binary_search_by_key(&what, |(_, lease)| lease.what).is_err()
}

impl Lease {
    /// Whether it says the same of who has what.
    fn is_same(&self, other: &Self) -> bool {
        let (hardware, client) = (self.hardware == other.hardware, self.client == other.client);
        self.state == other.state && hardware && client && self.iaid == other.iaid
    }
}
