//! Single logouts of late: their results, for whoever asks again, and how often a device may send one.

use std::collections::{HashMap, VecDeque};

use gateway_common::bucket::Rate;
use gateway_core::scope::DeviceId;
use gateway_core::time::{Duration, Instant};

use crate::record::ResultRecord;

/// How long a transaction's results are kept for its repetition.
pub(crate) const KEEP_RESULTS: Duration = Duration::from_secs(600);
/// Results kept at most.
const MOST_RESULTS: usize = 4096;

/// A transaction: the device's octets and the number it gave.
pub(crate) type Name = (Box<[u8]>, u64);

/// Results of recent single logouts, and how often a device may send one.
#[derive(Default, Debug)]
pub(crate) struct Transactions {
    results: HashMap<Name, ResultRecord>,
    /// The same, the oldest first.
    order: VecDeque<(Name, Instant)>,
    buckets: HashMap<DeviceId, u64>,
}

impl Transactions {
    pub(crate) fn restore(&mut self, device: &[u8], txid: u64, record: ResultRecord) {
        let (name, until): (Name, _) = ((device.into(), txid), record.until);
        let at = self.order.partition_point(|(_, other)| *other <= until);
        self.order.insert(at, (name.clone(), until));
        self.results.insert(name, record);
    }

    pub(crate) fn find(&self, device: &[u8], txid: u64) -> Option<&ResultRecord> {
        self.results.get(&(device.into(), txid))
    }

    /// Keeps results; those that had to go for them.
    pub(crate) fn keep(&mut self, device: &[u8], txid: u64, record: ResultRecord) -> Option<Name> {
        self.restore(device, txid, record);
        if self.order.len() > MOST_RESULTS { self.forget_first() } else { None }
    }

    fn forget_first(&mut self) -> Option<Name> {
        let (name, _) = self.order.pop_front()?;
        self.results.remove(&name);
        Some(name)
    }

    /// Forgets results whose time is over; which.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Name> {
        let over = self.order.iter().take_while(|(_, until)| *until <= now).count();
        (0..over).filter_map(|_| self.forget_first()).collect()
    }

    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.order.front().map(|(_, until)| *until)
    }

    pub(crate) fn admits(&mut self, device: &DeviceId, rate: Rate, now: Instant) -> bool {
        if self.buckets.len() > MOST_RESULTS {
            self.buckets.clear(); // unauthenticated senders made these up
        }
        let tat = self.buckets.entry(device.clone()).or_default();
        match rate.take(*tat, now.as_nanos()) {
            Some(next) => {
                *tat = next;
                true
            }
            None => false,
        }
    }
}
