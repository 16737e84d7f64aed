//! Who acts for what has no client: single logouts, RELEASEs of a restart, probes, questions to servers.

use core::net::IpAddr;

use super::Node;
use crate::time::Instant;

impl Node {
    /// Whether it is this node that starts restarts and releases. Always, outside of a cluster.
    pub fn is_keeper(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| shared.keeper)
    }

    /// Whether it is this node, from now on. One that becomes keeper goes on with every release that is in the journals it
    /// holds, under the same transaction ids and with replay counters above all that were reserved, and decides what
    /// to do about links that were lost meanwhile. One that ceases to be stops; the journals are with the next.
    pub fn handle_keeper(&mut self, keeper: bool, now: Instant) {
        let Some(shared) = self.shared.as_mut().filter(|shared| shared.keeper != keeper) else { return };
        shared.keeper = keeper;
        if !keeper {
            self.releases.handle_suspended(now);
            self.six.iter_mut().for_each(|six| six.releases.handle_suspended());
            self.plans.clear();
            self.fpcs.handle_keeper(false, now);
            self.drain(now);
            return;
        }
        let held = shared.journals.iter().filter_map(|(key, (_, value))| Some((key.clone(), value.clone()?)));
        let journals = held.collect();
        self.relay.replay_counters().take_over();
        let guessed = self.fpcs.settle_epochs();
        self.resume(journals, now);
        self.fpcs.handle_keeper(true, now);
        self.drain(now);
        self.say_epochs(guessed);
    }

    /// A server's message that another member got and did not ask for ([`super::Command::ForKeeper`] there).
    pub fn handle_for_keeper(&mut self, server: IpAddr, payload: &[u8], now: Instant) {
        // If the keeper has just changed, whoever is it now asks again.
        if !self.is_keeper() {
            return;
        }
        match server {
            IpAddr::V4(server) if self.config.relay.servers.contains(&server) => self.for_release(server, payload, now),
            IpAddr::V4(_) => {}
            IpAddr::V6(server) => self.for_release6(server, payload, now),
        }
        self.drain(now);
    }
}
