//! Leases of a store that others come between, by the times of their transactions. A single logout tells apart what was renewed after its
//! decision by the order of transaction numbers, so those have to rise with the times, over all leases of a device.

use std::collections::BTreeSet;

use gateway_core::scope::{DeviceId, Scope, ScopeKind};

use super::What;
use crate::record::Cutoff;

/// A tagged lease in force.
#[derive(Debug)]
pub(super) struct Tagged {
    pub(super) what: What,
    pub(super) scope: Scope,
    pub(super) sequence: u64,
    /// Its last transaction, in nanoseconds since 1970.
    pub(super) last: u64,
    /// Its record.
    pub(super) value: Vec<u8>,
}

/// Those of a store, and the single logouts that have ended some of them.
#[derive(Default, Debug)]
pub(super) struct Known {
    pub(super) leases: Vec<Tagged>,
    pub(super) cutoffs: Vec<(bool, Scope, Cutoff)>,
}

impl Known {
    /// The leases of these devices that nothing has ended.
    pub(super) fn of(self, devices: &BTreeSet<(bool, DeviceId)>) -> Vec<Tagged> {
        let Self { leases, cutoffs } = self;
        let is_ended = |lease: &Tagged| {
            cutoffs.iter().any(|(six, scope, cutoff)| {
                let covers = scope.device == lease.scope.device
                    && (scope.kind == lease.scope.kind || scope.kind == ScopeKind::Device);
                let before = lease.scope.epoch <= cutoff.epoch && lease.sequence <= cutoff.sequence;
                *six == lease.what.is_six() && covers && before
            })
        };
        let is_theirs = |lease: &Tagged| devices.contains(&(lease.what.is_six(), lease.scope.device.clone()));
        leases.into_iter().filter(|lease| is_theirs(lease) && !is_ended(lease)).collect()
    }
}
