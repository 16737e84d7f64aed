//! Who asks, and how much is used.

use core::fmt;
use std::sync::Arc;

use crate::subnet::Subnet;
use crate::wire::subnet_allocation::{OriginId, Statistics};

/// A server as others know it: the value of its option 61, 1 to 255 octets, the same for ever (H-SN-18).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(Arc<[u8]>);

impl ServerId {
    /// `None` unless there are 1 to 255 octets.
    pub fn new(octets: &[u8]) -> Option<Self> {
        (1..=255).contains(&octets.len()).then(|| Self(octets.into()))
    }

    /// The value of option 61.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// How it is named among the origins of a subnet.
    pub fn origin(&self) -> OriginId {
        OriginId::of(&self.0)
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match core::str::from_utf8(&self.0) {
            Ok(text) if text.chars().all(|c| c.is_ascii_graphic()) => f.write_str(text),
            _ => f.write_str(&crate::hex(&self.0)),
        }
    }
}

impl fmt::Debug for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How a subnet is used (SN-37): numbers of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Usage {
    /// In use now.
    pub in_use: u64,
    /// The most that were in use at once.
    pub high_water: u64,
    /// Declined, or found in use by others (SN-38).
    pub unusable: u64,
}

impl Usage {
    /// As on the wire, where nothing is larger than 0xFFFE (H-SN-15).
    pub fn statistics(&self) -> Statistics {
        Statistics::saturating(self.high_water, self.in_use, self.unusable)
    }

    /// What a lessee reported of a subnet; `None` if it did not say how many addresses are in use. No count is larger than
    /// the subnet, whatever it says. The largest that can be said may mean any larger one (H-SN-15): so all.
    pub fn reported(statistics: &Statistics, subnet: &Subnet) -> Option<Self> {
        let bounded = |count: u16| match count {
            Statistics::MOST => u64::from(subnet.size()),
            count => u64::from(count).min(u64::from(subnet.size())),
        };
        let in_use = bounded(statistics.in_use?);
        let high_water = statistics.high_water.map_or(in_use, bounded).max(in_use);
        Some(Self { in_use, high_water, unusable: statistics.unusable.map_or(0, bounded) })
    }
}
