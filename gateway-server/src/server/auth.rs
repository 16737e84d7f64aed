//! Who sent a relayed message (RFC 4030), and that it is not an old one.

use std::collections::HashMap;

use gateway_core::scope::DeviceId;
use gateway_core::time::Duration;
use gateway_core::wire::agent::sub;
use gateway_core::wire::relay_auth::{AuthError, Claim, Key, ReplayWindow, Verified};

use super::request::Request;
use super::{Command, Server};
use crate::config::BulkReleasePolicy;
use crate::record;

/// What is known of every sender's counter. A sender is a key, a relay identifier (members of a cluster share the key) and a
/// device's id, all covered by the MAC; giaddr is not.
#[derive(Debug)]
pub(super) struct Peers {
    windows: HashMap<(u32, u32, Box<[u8]>), ReplayWindow>,
    sliding: bool,
}

impl Peers {
    pub(super) fn new(sliding: bool) -> Self {
        Self { windows: HashMap::new(), sliding }
    }

    pub(super) fn restore(&mut self, key_id: u32, relay: u32, device: &[u8], counter: u64) {
        let window =
            if self.sliding { ReplayWindow::sliding(Some(counter)) } else { ReplayWindow::strict(Some(counter)) };
        self.windows.insert((key_id, relay, device.into()), window);
    }
}

/// Our own counter: Unix seconds × 2^20, plus one for every message, reserved on disk in blocks (H-BR-14).
#[derive(Debug)]
pub(super) struct Counter {
    next: u64,
    reserved: u64,
}

impl Counter {
    const BLOCK: u64 = 1 << 20;

    pub(super) fn after(reserved: u64, unix: Duration) -> Self {
        let next = reserved.saturating_add(1).max(unix.as_secs() << 20);
        Self { next, reserved: 0 }
    }

    /// Goes on with numbers of this moment, where others say theirs to the same clients: what is said later has the higher one
    /// then, whoever says it.
    pub(super) fn advance(&mut self, unix: Duration) {
        let part = (u64::from(unix.subsec_nanos()) << 20) / 1_000_000_000;
        self.next = self.next.max(unix.as_secs() << 20 | part);
    }

    /// The next number, and the record to write first when it opens a new block.
    pub(super) fn next(&mut self) -> (u64, Option<Command>) {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        if number < self.reserved {
            return (number, None);
        }
        self.reserved = number.saturating_add(Self::BLOCK);
        let value = self.reserved.to_be_bytes().to_vec();
        (number, Some(Command::Persist { key: record::OWN_COUNTER.to_vec(), value }))
    }
}

/// Why a message that should be authentic is not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NotAuthentic {
    Missing,
    Wrong,
    Replayed,
    /// The key may not speak for this device.
    Device,
}

impl BulkReleasePolicy {
    pub(super) fn key(&self, id: u32) -> Option<&Key> {
        self.keys.iter().map(|permitted| &permitted.key).find(|key| key.id == id)
    }

    fn permits(&self, key_id: u32, device: &DeviceId) -> bool {
        let permitted = self.keys.iter().find(|permitted| permitted.key.id == key_id);
        permitted.is_some_and(|permitted| permitted.devices.is_empty() || permitted.devices.contains(device))
    }
}

impl Server {
    /// Verifies sub-option 8, if there are keys. The counter is looked at before the MAC and noted after it.
    pub(super) fn verify(&mut self, request: &Request<'_>) -> Result<Verified, NotAuthentic> {
        let policy = &self.config.bulk_release;
        let octets = request.message.octets();
        let claim = Claim::find(octets).map_err(|error| match error {
            AuthError::Missing => NotAuthentic::Missing,
            _ => NotAuthentic::Wrong,
        })?;
        let key = policy.key(claim.key_id).ok_or(NotAuthentic::Wrong)?;
        let device: Box<[u8]> = request.sub(sub::RELAY_ID).unwrap_or_default().into();
        let peer = (claim.key_id, claim.relay, device);
        let is_old = |window: &ReplayWindow| window.check(claim.replay).is_err();
        if !self.again && self.peers.windows.get(&peer).is_some_and(is_old) {
            self.was_replayed = true;
            return Err(NotAuthentic::Replayed);
        }
        let verified = claim.verify(octets, core::slice::from_ref(key)).map_err(|_| NotAuthentic::Wrong)?;
        let scopes = request.release.as_ref().ok().and_then(Option::as_ref).map_or(&[][..], |found| &found.scopes);
        if !scopes
            .iter()
            .all(|scope| policy.permits(verified.key_id, &scope.device) && *scope.device.octets() == *peer.2)
        {
            return Err(NotAuthentic::Device);
        }
        let sliding = self.peers.sliding;
        let fresh = || if sliding { ReplayWindow::sliding(None) } else { ReplayWindow::strict(None) };
        self.peers.windows.entry(peer).or_insert_with(fresh).accept(verified.replay);
        Ok(verified)
    }

    /// Lets a client's message pass or not. Without keys nothing is checked; with keys what claims to be authentic
    /// must be, and what does not claim it passes unless the policy asks for it.
    pub(super) fn authenticate(&mut self, request: &mut Request<'_>) -> bool {
        if self.config.bulk_release.keys.is_empty() || !request.is_relayed() {
            return true;
        }
        match self.verify(request) {
            Ok(verified) => {
                request.verified = Some(verified);
                true
            }
            Err(NotAuthentic::Missing) if !self.config.bulk_release.require_authentication => true,
            Err(NotAuthentic::Replayed) => {
                self.counters.replayed += 1;
                false
            }
            Err(_) => {
                self.counters.authentication += 1;
                false
            }
        }
    }

    /// Writes down the sender's counter together with what its message changed.
    pub(super) fn persist_counter(&mut self, request: &Request<'_>) {
        let Some(verified) = request.verified else { return };
        let device = request.sub(sub::RELAY_ID).unwrap_or_default();
        let Some(last) =
            self.peers.windows.get(&(verified.key_id, verified.relay, device.into())).and_then(ReplayWindow::last)
        else {
            return;
        };
        let key = record::replay_key(verified.key_id, verified.relay, device);
        self.commands.push_back(Command::Persist { key, value: last.to_be_bytes().to_vec() });
    }
}
