//! The start, with what is on disk.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::Delegation;
use super::config::DelegationConfig;
use super::event::Event;
use super::forgotten::{Forgotten, NOTE_EVERY};
use super::record::{Record, decode};
use super::space::Space;
use crate::subnet::Subnet;
use crate::time::{Duration, Instant};

impl Delegation {
    /// Starts with the records that were persisted, in any order: none at the first start, or when the disk was lost.
    /// Others' records are passed over. `random` is any number, another at every start.
    ///
    /// Every provider is asked at once what is ours (H-SN-3).
    pub fn new<'a>(
        config: DelegationConfig,
        records: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
        random: u64,
        now: Instant,
    ) -> Self {
        let mut delegation = Self {
            config,
            random,
            drawn: 0,
            space: Space::default(),
            roots: BTreeMap::new(),
            exchange: None,
            ask_from: now,
            wish: None,
            need: None,
            need_asked: None,
            need_due: false,
            recoveries: Vec::new(),
            forgotten: None,
            warned: HashMap::new(),
            wish_from: Vec::new(),
            smaller: 0,
            unmet: None,
            asked: BTreeMap::new(),
            released: BTreeMap::new(),
            devices_at: Instant::NEVER,
            note_at: now + NOTE_EVERY,
            kept: Vec::new(),
            unassignable: BTreeMap::new(),
            commands: VecDeque::new(),
        };
        delegation.read(records, now);
        let mut providers: BTreeSet<_> = delegation.config.providers.iter().copied().collect();
        providers.extend(delegation.roots.values().filter_map(|root| root.contract()).map(|contract| contract.server));
        providers.into_iter().for_each(|provider| delegation.recover(provider, true, Vec::new(), now));
        delegation.settle(now);
        delegation
    }

    fn read<'a>(&mut self, records: impl IntoIterator<Item = (&'a [u8], &'a [u8])>, now: Instant) {
        let (mut blocks, mut any) = (Vec::new(), false);
        for (key, value) in records {
            if key.first() != Some(&super::RECORD_PREFIX) {
                continue;
            }
            any = true;
            match decode(key, value, now) {
                Some(Record::Root(subnet, root)) => match self.space.add_root(subnet) {
                    Ok(()) => drop(self.roots.insert(subnet, root)),
                    Err(_) => self.tell(Event::Unreadable),
                },
                Some(Record::Block(subnet, used)) => blocks.push((subnet, used)),
                Some(Record::Forgotten(Duration::ZERO)) => self.persist_forgotten(None),
                Some(Record::Forgotten(left)) => {
                    self.forgotten = Some(Forgotten { until: now + left, noted: now });
                }
                None => self.tell(Event::Unreadable),
            }
        }
        let roots: Vec<Subnet> = self.roots.keys().copied().collect();
        roots.iter().for_each(|root| self.set_apart(root));
        for (subnet, used) in blocks {
            // A block outlives its root when we die between the two deletions.
            if self.space.root_of(&subnet).is_some() && self.space.take(subnet, used).is_err() {
                self.tell(Event::Unreadable);
            }
        }
        if !any {
            let longest = self.config.policy.lease + self.config.constants.expiry_grace;
            self.forgotten = Some(Forgotten { until: now + longest, noted: now });
            // On disk before anything else is, so that the next start knows it, too.
            self.note_forgotten(now);
        }
        self.rest_on(now);
    }
}
