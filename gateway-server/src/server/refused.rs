//! Clients that found no address where subnets come and go: how many addresses are lacking for them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use gateway_core::time::{Duration, Instant};

use crate::leases::Client;

/// A client that is still there asks again before this (RFC 2131 section 4.1: 64 s at most between two tries).
const FORGET_AFTER: Duration = Duration::from_secs(120);
/// More are not told apart.
const MOST: usize = 4096;

/// Each client once, however often it asks.
#[derive(Debug, Default)]
pub(super) struct Refused {
    clients: HashMap<u64, Instant>,
    hasher: RandomState,
}

impl Refused {
    pub(super) fn note(&mut self, client: &Client<'_>, now: Instant) {
        let key = self.hasher.hash_one((client.id, client.id.is_none().then_some(client.hardware)));
        if self.clients.len() < MOST || self.clients.contains_key(&key) {
            self.clients.insert(key, now);
        }
    }

    /// There are addresses now.
    pub(super) fn clear(&mut self) {
        self.clients.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// How many were refused lately.
    pub(super) fn count(&mut self, now: Instant) -> u32 {
        self.clients.retain(|_, at| now.since(*at) < FORGET_AFTER);
        u32::try_from(self.clients.len()).unwrap_or(u32::MAX)
    }
}
