//! Where a root of the space comes from, and how long it may be used.

use core::net::Ipv4Addr;

use super::policy;
use super::usage::HighWater;
use crate::time::{Duration, Instant};
use crate::wire::subnet_allocation::{OriginId, Origins};

/// A subnet that we administer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Root {
    pub(super) source: Source,
    pub(super) standing: Standing,
    pub(super) high: HighWater,
    /// All of it is in the pool since then.
    pub(super) idle_since: Option<Instant>,
    /// Our table was lost, so others may hold parts of it: when it is confirmed it is [`Standing::Uncertain`].
    pub(super) uncertain: bool,
    /// It was ours before our table was lost: hosts, or lessees, that nobody here knows of may have addresses of it until then.
    pub(super) recovered: Option<Instant>,
    /// Since our start somebody was seen to have a lease of a part of it.
    pub(super) in_force: bool,
}

/// Who gave it to us.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Source {
    /// An operator (SN-53). Unlimited in time; `maximum` limits leases of it.
    Operator { maximum: Option<Duration> },
    /// Another server.
    Provider(Contract),
}

/// A lease of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Contract {
    /// Its option 54.
    pub(super) server: Ipv4Addr,
    /// Through whose hands it came, the provider's last (H-SN-7).
    pub(super) origins: Origins,
    pub(super) granted: Duration,
    /// Counted from when we asked, so never later than the provider counts.
    pub(super) expires: Instant,
    pub(super) renew_at: Instant,
    /// Transaction of the renewal that is under way, and when it was asked first.
    pub(super) asked: Option<(u32, Instant)>,
    /// We assign its addresses; else the provider does, for hosts behind us (SN-63).
    pub(super) delegate: bool,
    /// Hosts' leases should be no longer. Said with every answer, so not on disk.
    pub(super) suggested: Option<Duration>,
}

/// What may be done with a root.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// Everything.
    Active,
    /// Nothing: since our start the provider has not said that it is still ours (H-SN-3).
    Unconfirmed,
    /// Ours, but our table was lost: others may hold parts of it until then (H-SN-3).
    Uncertain { until: Instant },
    /// Nothing new: the provider wants it back (SN-47), or the operator.
    Deprecated,
    /// Nothing at all: the provider refused its renewal (SN-44).
    Refused,
}

impl Root {
    pub(super) fn new(source: Source, standing: Standing) -> Self {
        let high = HighWater::default();
        Self { source, standing, high, idle_since: None, uncertain: false, recovered: None, in_force: false }
    }

    pub(super) fn contract(&self) -> Option<&Contract> {
        match &self.source {
            Source::Operator { .. } => None,
            Source::Provider(contract) => Some(contract),
        }
    }

    pub(super) fn contract_mut(&mut self) -> Option<&mut Contract> {
        match &mut self.source {
            Source::Operator { .. } => None,
            Source::Provider(contract) => Some(contract),
        }
    }

    /// It is about to be asked back: what may be others' of it keeps it from going back all the same.
    pub(super) fn keep_uncertain(&mut self) {
        if let Standing::Uncertain { until } = self.standing {
            self.recovered = Some(until);
        }
    }

    /// It was asked back, and is wanted no more.
    pub(super) fn restore(&mut self, now: Instant) {
        self.standing = match self.recovered.filter(|until| self.uncertain && *until > now) {
            Some(until) => Standing::Uncertain { until },
            None => Standing::Active,
        };
    }

    /// Whether its addresses are ours to assign, and not its provider's (SN-63).
    pub(super) fn is_delegated(&self) -> bool {
        self.contract().is_none_or(|contract| contract.delegate)
    }

    /// Whether nobody may be left of those that we forgot.
    pub(super) fn is_known(&self, now: Instant) -> bool {
        self.recovered.is_none_or(|until| until <= now)
    }

    pub(super) fn is_uncertain(&self) -> bool {
        matches!(self.standing, Standing::Uncertain { .. })
    }

    pub(super) fn is_active(&self) -> bool {
        self.standing == Standing::Active && self.is_delegated()
    }

    /// When leases of parts of it have to be over: the margin before our own (H-SN-4, H-SN-6).
    pub(super) fn end(&self) -> Instant {
        self.contract().map_or(Instant::NEVER, |contract| contract.expires - policy::margin(contract.granted))
    }

    /// How long leases of it may be.
    pub(super) fn maximum(&self) -> Option<Duration> {
        match &self.source {
            Source::Operator { maximum } => *maximum,
            Source::Provider(_) => None,
        }
    }

    /// Whether it came through the hands of a server (H-SN-7): it was its own, or it is known by its address.
    pub(super) fn came_through(&self, server: OriginId, at: Ipv4Addr) -> bool {
        self.contract().is_some_and(|contract| contract.origins.contains(&server) || contract.server == at)
    }
}
