//! Who is under way to a server: taken in, forgotten, heard of again.

use super::config::Cause;
use super::item::{Fate, Item, Key, Owner};
use super::lane::Lane;
use crate::line::Line;
use crate::wire::dhcp6::Duid;

impl Lane {
    /// Takes a client in; false when it is under way already. More leases of one that waits for the same reason join
    /// it.
    pub(super) fn take(&mut self, item: Item) -> bool {
        let key = item.key();
        if self.present.insert(key.clone()) {
            self.waiting.push_back(item);
            return true;
        }
        let same =
            |other: &&mut Item| other.key() == key && (other.owner, other.decision) == (item.owner, item.decision);
        match self.waiting.iter_mut().find(same) {
            Some(other) => {
                other.join(item);
                true
            }
            None => false,
        }
    }

    /// Forgets the clients of an owner; returns how many. A reply to a message that has others in it still counts for them.
    pub(super) fn drop_owned(&mut self, of: impl Fn(&Owner) -> bool) -> u64 {
        let before = self.present.len();
        let kept = |item: &Item| !of(&item.owner);
        let mut gone: Vec<Key> = Vec::new();
        let mut drop_from =
            |items: &mut dyn Iterator<Item = &Item>| gone.extend(items.filter(|item| !kept(item)).map(Item::key));
        drop_from(&mut self.waiting.iter());
        drop_from(&mut self.open.values().flat_map(|batch| &batch.items));
        self.waiting.retain(kept);
        for batch in self.open.values_mut() {
            batch.items.retain(kept);
        }
        self.open.retain(|_, batch| !batch.items.is_empty());
        self.present.retain(|key| !gone.contains(key));
        (before - self.present.len()) as u64
    }

    /// A client speaks: it is not released, and what has left for it is not repeated. The others of that message go into new
    /// ones, because a repetition has the same clients (H-RR-6). Returns how many clients were spared.
    pub(super) fn spoke(&mut self, line: Line, client: Duid<'_>) -> u64 {
        if !self.present.iter().any(|(_, name)| name.as_duid() == client) {
            return 0;
        }
        // On another line it says nothing about the one that it has left.
        let is_meant = |item: &Item| {
            let moved = item.owner == Owner::Single(Cause::Moved);
            item.client.client.as_duid() == client && (item.client.line == line || !moved)
        };
        let mut spared = Vec::new();
        self.waiting = core::mem::take(&mut self.waiting)
            .into_iter()
            .filter_map(|item| {
                if is_meant(&item) {
                    spared.push(item);
                    None
                } else {
                    Some(item)
                }
            })
            .collect();
        let met: Vec<u32> =
            self.open.iter().filter(|(_, batch)| batch.items.iter().any(is_meant)).map(|(xid, _)| *xid).collect();
        for xid in met {
            let Some(batch) = self.open.remove(&xid) else { continue };
            let (meant, others): (Vec<_>, Vec<_>) = batch.items.into_iter().partition(is_meant);
            spared.extend(meant);
            others.into_iter().rev().for_each(|item| self.waiting.push_front(item));
        }
        let count = spared.len() as u64;
        spared.into_iter().for_each(|item| self.finish(item, Fate::Skipped));
        count
    }
}
