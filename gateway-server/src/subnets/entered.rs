//! What operators enter: by the configuration at every start, and by command.
//!
//! What was taken away by command stays away, although the configuration has it still: that is on disk, until somebody enters it
//! by command, or a start finds it gone from the configuration.

use std::collections::BTreeSet;

use gateway_core::delegation::{AddError, Entered};
use gateway_core::subnet::Subnet;
use gateway_core::time::Instant;

use super::{Root, Subnets};
use crate::server::{Command, Server};

/// First octet of the keys of its records: a subnet of the configuration that was taken away; without a value.
pub(super) const RECORD_PREFIX: u8 = b'W';

/// Subnets of the configuration.
#[derive(Debug, Default)]
pub(super) struct Configured {
    all: BTreeSet<Subnet>,
    /// Of these, taken away by command.
    withdrawn: BTreeSet<Subnet>,
}

impl Subnets {
    /// At a start: what is configured, without what was taken away.
    pub(super) fn enter_configured(&mut self, roots: &[Root], records: &[(Vec<u8>, Vec<u8>)], now: Instant) {
        self.configured.all = roots.iter().map(|root| root.subnet).collect();
        for subnet in records.iter().filter_map(|(key, _)| subnet_of(key)) {
            if self.configured.all.contains(&subnet) {
                tracing::warn!(
                    %subnet,
                    "configured, but taken away by `gateway subnets remove`: it stays away until `gateway subnets add`; it can go \
                     from the configuration"
                );
                self.configured.withdrawn.insert(subnet);
            } else {
                self.commands.push_back(Command::Forget { key: key(&subnet) });
            }
        }
        for root in roots.iter().filter(|root| !self.configured.withdrawn.contains(&root.subnet)) {
            let (subnet, was) = (root.subnet, self.core.is_entered(&root.subnet));
            match self.core.handle_enter(root.entry(), now) {
                Ok(Entered::Changed) => tracing::info!(%subnet, "the longest lease of a subnet is another now"),
                Ok(Entered::Ready | Entered::Uncertain) => tracing::info!(%subnet, "subnet entered"),
                Err(AddError::Twice(_)) => {}
                // What is there goes first.
                Err(error) => tracing::warn!(%subnet, %error, "a configured subnet is not entered"),
            }
            if was && root.fresh {
                tracing::warn!(
                    %subnet,
                    "fresh = true has done its work: take it out of the configuration, or this server would give the subnet anew \
                     if it ever lost its store"
                );
            }
        }
    }

    /// Enters a subnet.
    ///
    /// # Errors
    /// In words, when it overlaps another one.
    pub fn add(&mut self, root: &Root, server: &Server, now: Instant) -> Result<(), String> {
        let subnet = root.subnet;
        if let Some(overlap) = server.conflict(subnet.base(), subnet.prefix()) {
            return Err(overlap.to_string());
        }
        self.core.handle_enter(root.entry(), now).map_err(|error| error.to_string())?;
        if self.configured.withdrawn.remove(&subnet) {
            self.commands.push_back(Command::Forget { key: key(&subnet) });
        }
        Ok(())
    }

    /// Takes a subnet away that an operator entered; `false`: none has.
    pub fn remove(&mut self, subnet: &Subnet, now: Instant) -> bool {
        let is_known = self.core.handle_remove(subnet, now);
        if is_known && self.configured.all.contains(subnet) && self.configured.withdrawn.insert(*subnet) {
            self.commands.push_back(Command::Persist { key: key(subnet), value: Vec::new() });
        }
        is_known
    }
}

fn key(subnet: &Subnet) -> Vec<u8> {
    let [a, b, c, d] = subnet.base().octets();
    vec![RECORD_PREFIX, a, b, c, d, subnet.prefix()]
}

fn subnet_of(key: &[u8]) -> Option<Subnet> {
    let [RECORD_PREFIX, a, b, c, d, prefix] = *key else { return None };
    Subnet::new([a, b, c, d].into(), prefix).ok()
}
