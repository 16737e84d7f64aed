//! What a pool can give: addresses of a range, or the prefixes of one length in a prefix.

use core::net::Ipv6Addr;

use gateway_core::wire::dhcp6::{Binding, IaKind, Prefix};

use super::{Ended, State, bounds};
use crate::leases::list::{GROUP, List};
use crate::load::Fill;
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
    /// So many offsets, from `start` on and around, have been given out or passed over.
    pub(super) fresh: u128,
    /// Where fresh ones are looked for first.
    start: u128,
    /// Whether some of those were given back.
    pub(super) returned: bool,
    /// How many are kept from everybody because they were declined.
    pub(super) declined: u32,
    /// How many are leased.
    pub(super) active: u32,
    /// How many are neither leased nor free.
    pub(super) held: u32,
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
            start: 0,
            returned: false,
            declined: 0,
            active: 0,
            held: 0,
            free: List::EMPTY,
        };
        let ranges = subnet.addresses.iter().map(|(first, last)| (first.to_bits(), last.to_bits()));
        let addresses = ranges.map(|range| pool(IaKind::Na, range, 128));
        let prefixes = subnet.prefixes.iter().map(|of| pool(IaKind::Pd, span(of.prefix), of.delegated));
        addresses.chain(prefixes).collect()
    }

    /// How full it is. Of addresses it has no name: their subnet's is better known.
    pub(super) fn fill(&self) -> Fill {
        let name = match self.kind {
            IaKind::Na | IaKind::Ta => String::new(),
            IaKind::Pd => {
                let length = 128 - (self.last - self.first).count_ones();
                format!("{}/{length} to /{}", Ipv6Addr::from_bits(self.first), self.length)
            }
        };
        let size = u64::try_from(self.size()).unwrap_or(u64::MAX);
        Fill { name, in_use: self.active.into(), held: self.held.into(), size }
    }

    /// How many it has.
    pub(super) fn size(&self) -> u128 {
        ((self.last - self.first) >> self.shift()).saturating_add(1)
    }

    /// A slot of it has this state now.
    pub(super) fn enters(&mut self, state: State, ended: Ended) {
        self.active += u32::from(state == State::Active);
        self.held += u32::from(matches!(state, State::Offered | State::Held));
        self.declined += u32::from((state, ended) == (State::Held, Ended::Abandoned));
    }

    /// A slot of it has this state no longer.
    pub(super) fn leaves(&mut self, state: State, ended: Ended) {
        self.active -= u32::from(state == State::Active);
        self.held -= u32::from(matches!(state, State::Offered | State::Held));
        self.declined -= u32::from((state, ended) == (State::Held, Ended::Abandoned));
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

    /// Begins elsewhere than at the first one: at the `number`th of `of` parts.
    pub(super) fn start_at(&mut self, number: u32, of: u32) {
        let (size, number, of) = (self.size(), u128::from(number), u128::from(of.max(1)));
        self.start = size.checked_mul(number).map_or(size / of * number, |all| all / of);
        self.fresh = 0;
    }

    /// Which one it is of those that the pool is divided into; 0 for none of them.
    pub(super) fn offset(&self, binding: &Binding) -> u128 {
        bounds(binding).0.saturating_sub(self.first) >> self.shift()
    }

    /// The next one that has no slot, if there is one, and what [`Pool::fresh`] is then. `skip` tells for each
    /// whether it can't be had, and up to which address that is so: what is behind it is looked at next, up to
    /// [`STEPS`] times; the next call goes on there.
    pub(super) fn next_fresh(&self, skip: impl Fn(Binding) -> Option<u128>) -> (Option<Binding>, u128) {
        let mut fresh = self.fresh;
        for _ in 0..STEPS {
            let Some(offset) = self.turned(fresh) else { break };
            let Some(binding) = self.at(offset) else { break };
            let Some(last) = skip(binding) else { return (Some(binding), fresh + 1) };
            let behind = (last.clamp(self.first, self.last) - self.first) >> self.shift();
            fresh = fresh.saturating_add(behind.saturating_sub(offset)).saturating_add(1);
        }
        (None, fresh)
    }

    /// The offset that is looked at as the `number`th.
    fn turned(&self, number: u128) -> Option<u128> {
        let size = self.size();
        let before_the_end = size - self.start;
        (number < size).then(|| match number.checked_sub(before_the_end) {
            Some(around) => around,
            None => self.start + number,
        })
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
