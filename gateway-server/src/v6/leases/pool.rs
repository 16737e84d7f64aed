//! What a pool can give: addresses of a range, or the prefixes of one length in a prefix.

use core::net::Ipv6Addr;

use gateway_core::wire::dhcp6::{Binding, IaKind, Prefix};

use crate::leases::list::{GROUP, List};
use crate::v6::config::{Subnet, span};

/// What one search for a fresh one looks at, at most.
const STEPS: usize = 16_384;

#[derive(Debug)]
pub(super) struct Pool {
    pub(super) subnet: u16,
    /// IA_NA or IA_PD.
    pub(super) kind: IaKind,
    first: u128,
    last: u128,
    /// Length of each prefix; 128 for addresses.
    pub(super) length: u8,
    /// Offsets below it have been given out or passed over.
    pub(super) fresh: u128,
    /// Whether some below it were given back.
    pub(super) returned: bool,
    /// How many are kept from everybody because they were declined.
    pub(super) declined: u32,
    /// Slots that are free, the longest free first.
    pub(super) free: List<GROUP>,
}

impl Pool {
    /// The pools of a subnet in the order of its configuration.
    pub(super) fn of(subnet: &Subnet, index: u16) -> Vec<Self> {
        let pool = |kind, (first, last), length| Self {
            subnet: index,
            kind,
            first,
            last,
            length,
            fresh: 0,
            returned: false,
            declined: 0,
            free: List::EMPTY,
        };
        let ranges = subnet.addresses.iter().map(|(first, last)| (first.to_bits(), last.to_bits()));
        let addresses = ranges.map(|range| pool(IaKind::Na, range, 128));
        let prefixes = subnet.prefixes.iter().map(|of| pool(IaKind::Pd, span(of.prefix), of.delegated));
        addresses.chain(prefixes).collect()
    }

    /// How many it has.
    pub(super) fn size(&self) -> u128 {
        ((self.last - self.first) >> self.shift()).saturating_add(1)
    }

    /// Whether it is one of those that the pool is divided into.
    pub(super) fn has(&self, binding: &Binding) -> bool {
        let (address, length) = match binding {
            Binding::Address(address) => (address.to_bits(), 128),
            Binding::Prefix(prefix) => (prefix.address().to_bits(), prefix.length()),
        };
        let kind = if matches!(binding, Binding::Address(_)) { IaKind::Na } else { IaKind::Pd };
        kind == self.kind && length == self.length && (self.first..=self.last).contains(&address)
    }

    /// The next one that has no slot, if there is one, and what [`Pool::fresh`] is then. `skip` tells for each
    /// whether it can't be had, and up to which address that is so: what is behind it is looked at next, up to
    /// [`STEPS`] times; the next call goes on there.
    pub(super) fn next_fresh(&self, skip: impl Fn(Binding) -> Option<u128>) -> (Option<Binding>, u128) {
        let mut fresh = self.fresh;
        for _ in 0..STEPS {
            let Some(binding) = self.at(fresh) else { break };
            let Some(last) = skip(binding) else { return (Some(binding), fresh + 1) };
            let behind = (last.clamp(self.first, self.last) - self.first) >> self.shift();
            fresh = behind.max(fresh) + 1;
        }
        (None, fresh)
    }

    fn at(&self, offset: u128) -> Option<Binding> {
        if offset >= self.size() {
            return None;
        }
        let address = Ipv6Addr::from_bits(self.first + (offset << self.shift()));
        match self.kind {
            IaKind::Na | IaKind::Ta => Some(Binding::Address(address)),
            IaKind::Pd => Prefix::new(address, self.length).map(Binding::Prefix),
        }
    }

    fn shift(&self) -> u32 {
        128 - u32::from(self.length)
    }
}
