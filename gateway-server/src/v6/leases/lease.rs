//! One lease: an address or a prefix and who has it.

use core::net::Ipv6Addr;
use std::sync::Arc;

use gateway_core::scope::Scope;
use gateway_core::time::Instant;
use gateway_core::wire::dhcp6::{Binding, Duid, DuidBuf, IaKind};

use crate::leases::generation::Tagged;
use crate::leases::list::{Linked, Links, NONE};
use crate::leases::{Ended, State};
use crate::record::Moment;

/// The way that a client's last message came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Origin {
    /// DUID of the innermost relay that tells one (option 53): the one that may release (H-RR-7).
    pub(crate) relay_id: Option<DuidBuf>,
    /// Link-address of the innermost relay that tells one.
    pub(crate) link: Ipv6Addr,
    /// Source of the datagram.
    pub(crate) peer: Ipv6Addr,
    /// The RELAY-FORW without the client's message, for option 47; empty when there was none, or too long to keep.
    pub(crate) path: Box<[u8]>,
}

impl Origin {
    /// Of a lease that nobody had.
    pub(super) fn none() -> Arc<Self> {
        let nowhere = Ipv6Addr::UNSPECIFIED;
        Arc::new(Self { relay_id: None, link: nowhere, peer: nowhere, path: Box::default() })
    }
}

/// How a message came, and what a single logout may end what it asks for by.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) origin: Arc<Origin>,
    pub(crate) scope: Option<Scope>,
}

/// Who has a lease, and under which name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Holder<'a> {
    pub(crate) client: Duid<'a>,
    pub(crate) kind: IaKind,
    pub(crate) iaid: u32,
}

/// An address or prefix once leased keeps its slot until the table is full; the slot's client changes.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) binding: Binding,
    /// DUID of its last client; empty: nobody.
    pub(super) client: Arc<[u8]>,
    pub(crate) iaid: u32,
    pub(crate) origin: Arc<Origin>,
    /// Number of its last transaction; rises over all leases, so that order survives a restart and a clock step.
    pub(crate) sequence: u64,
    /// When that was.
    pub(crate) last: Moment,
    /// End of the preferred lifetime.
    pub(crate) preferred: Instant,
    /// End of what [`State`] says; of [`State::Free`] the end of the lease before, if that has expired, else [`Instant::NEVER`] as of
    /// an infinite lease.
    pub(crate) expires: Instant,
    /// Generation it was tagged with.
    pub(super) generation: u32,
    /// Neighbours: in the generation's list or the pool's free list, and in the wheel.
    links: [Links; 2],
    pub(crate) state: State,
    pub(crate) ended: Ended,
    /// Index of its subnet in the configuration.
    pub(crate) subnet: u16,
    pub(super) pool: u16,
}

impl Lease {
    /// Free, and nobody's yet.
    pub(super) fn fresh(binding: Binding, subnet: u16, pool: u16, nobody: &(Arc<[u8]>, Arc<Origin>)) -> Self {
        Self {
            binding,
            client: nobody.0.clone(),
            iaid: 0,
            origin: nobody.1.clone(),
            sequence: 0,
            last: Moment::default(),
            preferred: Instant::ZERO,
            expires: Instant::NEVER,
            generation: NONE,
            links: [Links::NONE; 2],
            state: State::Free,
            ended: Ended::Available,
            subnet,
            pool,
        }
    }

    /// Its last client; `None` for nobody.
    pub(crate) fn client(&self) -> Option<Duid<'_>> {
        Duid::new(&self.client)
    }

    pub(crate) fn kind(&self) -> IaKind {
        match self.binding {
            Binding::Address(_) => IaKind::Na,
            Binding::Prefix(_) => IaKind::Pd,
        }
    }

    /// Whether it is, or last was, this holder's.
    pub(crate) fn is_of(&self, holder: &Holder<'_>) -> bool {
        self.iaid == holder.iaid && self.kind() == holder.kind && *self.client == *holder.client.octets()
    }
}

impl Linked for Lease {
    fn links(&self) -> &[Links; 2] {
        &self.links
    }

    fn links_mut(&mut self) -> &mut [Links; 2] {
        &mut self.links
    }
}

impl Tagged for Lease {
    fn last(&self) -> Moment {
        self.last
    }

    fn sequence(&self) -> u64 {
        self.sequence
    }

    fn enter(&mut self, generation: u32) {
        self.generation = generation;
    }
}
