//! What an operator sees: the tree of `gateway subnets`.

use core::net::Ipv4Addr;

use super::Delegation;
use super::block::{Stage, Use};
use super::origin::{Source, Standing};
use super::usage::HighWater;
use super::words::{ServerId, Usage};
use crate::subnet::Subnet;
use crate::time::{Duration, Instant};

/// All that this server administers.
#[derive(Clone, PartialEq, Debug)]
pub struct DelegationView {
    /// Who we are.
    pub me: ServerId,
    /// Our address.
    pub address: Ipv4Addr,
    /// The roots, by address.
    pub roots: Vec<RootView>,
    /// A subnet is being asked for.
    pub asking: bool,
    /// Providers are being asked what is ours; what they have not confirmed is not used.
    pub recovering: bool,
    /// Addresses that our address server lacks.
    pub need: u32,
    /// Somebody was sent away with nothing a short while ago.
    pub scarce: bool,
}

/// A subnet that was entered here, or leased to us.
#[derive(Clone, PartialEq, Debug)]
pub struct RootView {
    /// The subnet.
    pub subnet: Subnet,
    /// Where it comes from.
    pub source: SourceView,
    /// What may be done with it.
    pub standing: StandingView,
    /// How all of it is used; the high water is since the lease began.
    pub usage: Usage,
    /// All three high waters (H-SN-16).
    pub high_water: HighWater,
    /// Addresses in the pool.
    pub free: u64,
    /// Its blocks, by address; they are disjoint, and there is nothing between them.
    pub blocks: Vec<BlockView>,
}

/// Where a root comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SourceView {
    /// It was entered here.
    Operator {
        /// What limits leases of it.
        maximum: Option<Duration>,
    },
    /// It is leased to us.
    Provider {
        /// By whom.
        server: Ipv4Addr,
        /// Until when.
        expires: Instant,
        /// When it will be renewed; `None`: not now.
        renews: Option<Instant>,
    },
}

/// What may be done with a root.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StandingView {
    /// Everything.
    Active,
    /// Nothing before its provider has confirmed it.
    Unconfirmed,
    /// Nothing until then: the table was lost, and lessees may hold parts of it.
    Uncertain {
        /// Until then.
        until: Instant,
    },
    /// It is to go back, and what is in use of it is being waited for.
    Deprecated,
    /// It was refused, and what is in use of it is being waited for.
    Refused,
}

/// A part of a root.
#[derive(Clone, PartialEq, Debug)]
pub struct BlockView {
    /// The part.
    pub subnet: Subnet,
    /// Who has it.
    pub holder: Holder,
    /// Until when; `None`: without end.
    pub until: Option<Instant>,
    /// How it is used, where that is known.
    pub usage: Option<Usage>,
    /// It was asked for, or is being emptied.
    pub deprecated: bool,
}

/// Who has a block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Holder {
    /// Nobody.
    Pool,
    /// The address server here.
    Own,
    /// Our provider, which assigns its addresses to hosts behind us (SN-63).
    Provider,
    /// Nobody yet: it is held for a requester.
    Offered(ServerId),
    /// A lessee.
    Leased {
        /// Who it is.
        lessee: ServerId,
        /// Where it is.
        at: Ipv4Addr,
        /// It assigns addresses itself; else we do for it.
        delegate: bool,
    },
    /// Nobody yet: hosts of the former lessee may be left.
    Resting(ServerId),
}

impl Delegation {
    /// Everything, as it is now.
    pub fn view(&self, now: Instant) -> DelegationView {
        DelegationView {
            me: self.config.me.clone(),
            address: self.config.address,
            roots: self.roots.keys().map(|subnet| self.root_view(subnet)).collect(),
            asking: self.exchange.is_some(),
            recovering: !self.recoveries.is_empty(),
            need: self.need.unwrap_or(0),
            scarce: self.is_scarce(now),
        }
    }

    fn root_view(&self, subnet: &Subnet) -> RootView {
        let root = &self.roots[subnet];
        let blocks: Vec<BlockView> = self.space.inside(subnet).map(|(subnet, used)| block_view(subnet, used)).collect();
        let source = match &root.source {
            Source::Operator { maximum } => SourceView::Operator { maximum: *maximum },
            Source::Provider(contract) => SourceView::Provider {
                server: contract.server,
                expires: contract.expires,
                renews: Some(contract.renew_at).filter(|at| *at != Instant::NEVER),
            },
        };
        let standing = match root.standing {
            Standing::Active => StandingView::Active,
            Standing::Unconfirmed => StandingView::Unconfirmed,
            Standing::Uncertain { until } => StandingView::Uncertain { until },
            Standing::Deprecated => StandingView::Deprecated,
            Standing::Refused => StandingView::Refused,
        };
        let free = blocks
            .iter()
            .filter(|block| block.holder == Holder::Pool)
            .map(|block| u64::from(block.subnet.size()))
            .sum();
        let usage = self.usage_of(subnet);
        RootView { subnet: *subnet, source, standing, usage, high_water: root.high, free, blocks }
    }
}

fn block_view(subnet: Subnet, used: Option<&Use>) -> BlockView {
    let view = |holder, until, usage, deprecated| BlockView { subnet, holder, until, usage, deprecated };
    match used {
        None => view(Holder::Pool, None, None, false),
        Some(Use::Offered(offer)) => view(Holder::Offered(offer.to.clone()), Some(offer.until), None, false),
        Some(Use::Own(own)) => view(Holder::Own, Some(own.until), own.usage, own.stage != Stage::Assigning),
        Some(Use::Away) => view(Holder::Provider, None, None, false),
        Some(Use::Resting(resting)) => view(Holder::Resting(resting.lessee.clone()), Some(resting.until), None, false),
        Some(Use::Leased(lease)) => {
            let holder = Holder::Leased { lessee: lease.lessee.clone(), at: lease.at, delegate: lease.delegate };
            view(holder, Some(lease.until), lease.usage, lease.asked_back > 0)
        }
    }
}
