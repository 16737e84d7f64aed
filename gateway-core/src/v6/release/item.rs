//! One client on its way to being released.

use super::config::{Cause, ReleaseConfig};
use super::context::{Client, Held, Logins};
use crate::line::{FpcId, Line};
use crate::release::Decision;
use crate::scope::Epoch;
use crate::session::CohortId;
use crate::wire::dhcp6::release::{Outcome, ReleaseIa};
use crate::wire::dhcp6::{Binding, DuidBuf, IaKind, Prefix};

/// On whose behalf.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Owner {
    /// The release of this FPC, of this cohort.
    Restart(FpcId, CohortId),
    /// Nobody but this client, for this cause. It is in the journal.
    Single(Cause),
}

/// Who is under way.
pub(super) type Key = (Line, DuidBuf);

#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) owner: Owner,
    pub(super) client: Client,
    pub(super) cutoff: Epoch,
    pub(super) decision: Decision,
    /// It fits no RELEASE-REQUEST, or its server takes none.
    pub(super) individually: bool,
    /// The leases that it began with; fewer may be left of them.
    pub(super) asked: Vec<Prefix>,
}

/// What became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// The server said what it did about each lease.
    Answered(Vec<(Held, Outcome)>),
    /// The client spoke, or there is nothing left of it to release.
    Skipped,
    /// No answer.
    Silent,
}

impl Item {
    pub(super) fn key(&self) -> Key {
        (self.client.line, self.client.client.clone())
    }

    pub(super) fn new(owner: Owner, client: Client, cutoff: Epoch, decision: Decision) -> Self {
        let asked = client.leases.iter().map(|held| held.prefix).collect();
        Self { owner, client, cutoff, decision, individually: false, asked }
    }

    /// Leases that it began with.
    pub(super) fn count(&self) -> u64 {
        self.asked.len() as u64
    }

    /// More leases of the same client.
    pub(super) fn join(&mut self, other: Self) {
        let new = other.client.leases.into_iter().filter(|held| !self.asked.contains(&held.prefix));
        let new: Vec<Held> = new.collect();
        self.asked.extend(new.iter().map(|held| held.prefix));
        self.client.leases.extend(new);
        self.cutoff = self.cutoff.max(other.cutoff);
    }

    /// Leaves only the leases that are still to be released: nobody else has them now, and they were not heard of since the
    /// decision (H-RR-6). Returns whether there are any.
    pub(super) fn prune(&mut self, logins: &dyn Logins) -> bool {
        let Self { client, cutoff, decision, .. } = self;
        let (name, line, server) = (client.client.clone(), client.line, client.server_id.clone());
        client.leases.retain(|lease| {
            let holder = logins
                .holder(lease.prefix)
                .filter(|now| (&now.client, now.line, &now.server_id) == (&name, line, &server));
            let now = holder.and_then(|holder| holder.leases.into_iter().find(|held| held.prefix == lease.prefix));
            // There is no way to release a temporary address without originating an IA_TA (H-RR-20).
            now.is_some_and(|now| now.epoch <= *cutoff && now.at <= decision.at && now.kind != IaKind::Ta)
        });
        !client.leases.is_empty()
    }

    /// Its leases by IA, as a message lists them.
    pub(super) fn ias(&self, config: &ReleaseConfig) -> Vec<ReleaseIa> {
        if config.release_all { Vec::new() } else { self.listed() }
    }

    /// Whether a RELEASE can name any of them: it takes an IAID.
    pub(super) fn has_names(&self) -> bool {
        self.client.leases.iter().any(|held| held.iaid.is_some())
    }

    pub(super) fn listed(&self) -> Vec<ReleaseIa> {
        let mut ias: Vec<ReleaseIa> = Vec::new();
        for Held { prefix, kind, iaid, .. } in &self.client.leases {
            let Some(iaid) = *iaid else {
                ias.push(ReleaseIa::Bare(bare(*kind, *prefix)));
                continue;
            };
            match ias.iter_mut().find(|ia| ia.name() == Some((*kind, iaid))) {
                Some(ReleaseIa::Addresses { addresses, .. }) => addresses.push(prefix.address()),
                Some(ReleaseIa::Prefixes { prefixes, .. }) => prefixes.push(*prefix),
                _ if *kind == IaKind::Pd => ias.push(ReleaseIa::Prefixes { iaid, prefixes: vec![*prefix] }),
                _ => ias.push(ReleaseIa::Addresses { iaid, addresses: vec![prefix.address()] }),
            }
        }
        ias
    }
}

/// A lease as a message names it.
pub(super) fn bare(kind: IaKind, prefix: Prefix) -> Binding {
    if kind == IaKind::Pd { Binding::Prefix(prefix) } else { Binding::Address(prefix.address()) }
}
