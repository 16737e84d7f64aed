//! What an operator sees, as rows.

use core::net::Ipv4Addr;

use gateway_core::delegation::{DelegationView, Holder, RootView, SourceView, StandingView, Usage};
use gateway_core::time::Instant;
use serde::{Deserialize, Serialize};

/// All that a server administers. Times are in seconds from now; absent: without end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SubnetsView {
    /// Its option 61.
    pub id: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// It is asking for a subnet.
    pub asking: bool,
    /// Providers are being asked what is its own.
    pub recovering: bool,
    /// Somebody was sent away with nothing a short while ago.
    pub scarce: bool,
    /// Addresses that its own hosts lack.
    pub need: u32,
    /// What was entered here or is leased from another, by address.
    pub roots: Vec<RootRow>,
}

/// A subnet that was entered here or is leased from another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RootRow {
    /// The subnet.
    pub subnet: String,
    /// The server that it is leased from; absent: it was entered here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Ipv4Addr>,
    /// active, unconfirmed, uncertain, deprecated or refused.
    pub standing: String,
    /// Where it is uncertain: for how long nothing of it is given, unless its provider confirms more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rests: Option<u64>,
    /// When the lease ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// When it is renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renews: Option<u64>,
    /// The longest lease of it, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_lease: Option<u64>,
    /// Its addresses.
    pub size: u64,
    /// Of these, in nobody's hands.
    pub free: u64,
    /// Access routes of the gateway that the server runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<u64>,
    /// How it is used, as far as that is known.
    #[serde(flatten)]
    pub usage: UsageRow,
    /// The parts of it, which are disjoint and all of it.
    pub blocks: Vec<BlockRow>,
}

/// A part of a root.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BlockRow {
    /// The part.
    pub subnet: String,
    /// free, own, offered, leased, reserved or resting. Reserved without a holder: the provider assigns its addresses to hosts here.
    pub state: String,
    /// Another server that has it, or had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// Where that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Ipv4Addr>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// It is wanted back, or being emptied.
    #[serde(default, skip_serializing_if = "is_false")]
    pub wanted: bool,
    /// Its addresses.
    pub size: u64,
    /// Access routes of the gateway that the server runs in, where it is its subscribers'.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<u64>,
    /// How it is used; absent: nobody has said.
    #[serde(flatten)]
    pub usage: Option<UsageRow>,
}

/// How many addresses are used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UsageRow {
    /// Now.
    pub in_use: u64,
    /// At most, since the lease began.
    pub high_water: u64,
    /// Not by us: declined.
    pub unusable: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !value
}

impl From<Usage> for UsageRow {
    fn from(usage: Usage) -> Self {
        let Usage { in_use, high_water, unusable } = usage;
        Self { in_use, high_water, unusable }
    }
}

impl SubnetsView {
    pub(super) fn of(view: &DelegationView, now: Instant) -> Self {
        Self {
            id: view.me.to_string(),
            address: view.address,
            asking: view.asking,
            recovering: view.recovering,
            scarce: view.scarce,
            need: view.need,
            roots: view.roots.iter().map(|root| root_row(root, now)).collect(),
        }
    }

    /// The parts that this server's own subscribers have addresses of, whoever assigns them.
    pub fn of_own_subscribers(&self) -> impl Iterator<Item = &BlockRow> {
        self.roots.iter().flat_map(|root| &root.blocks).filter(|block| block.is_own_subscribers())
    }

    /// Fills in how many access routes lie in each of these, and so in their roots.
    pub fn set_routes(&mut self, counted: &[u64]) {
        let mut counted = counted.iter().copied();
        for root in &mut self.roots {
            for block in root.blocks.iter_mut().filter(|block| block.is_own_subscribers()) {
                block.routes = counted.next();
            }
            root.routes = Some(root.blocks.iter().filter_map(|block| block.routes).sum());
        }
    }
}

impl BlockRow {
    fn is_own_subscribers(&self) -> bool {
        self.state == "own" || (self.state == "reserved" && self.holder.is_none())
    }
}

fn left(until: Instant, now: Instant) -> Option<u64> {
    (until != Instant::NEVER).then(|| until.since(now).as_secs())
}

fn root_row(root: &RootView, now: Instant) -> RootRow {
    let (provider, expires, renews, max_lease) = match root.source {
        SourceView::Operator { maximum } => (None, None, None, maximum.map(|maximum| maximum.as_secs())),
        SourceView::Provider { server, expires, renews } => {
            (Some(server), left(expires, now), renews.and_then(|at| left(at, now)), None)
        }
    };
    let (standing, rests) = match root.standing {
        StandingView::Active => ("active", None),
        StandingView::Unconfirmed => ("unconfirmed", None),
        StandingView::Uncertain { until } => ("uncertain", left(until, now)),
        StandingView::Deprecated => ("deprecated", None),
        StandingView::Refused => ("refused", None),
    };
    let blocks = root.blocks.iter().map(|block| {
        let (state, holder, address) = match &block.holder {
            Holder::Pool => ("free", None, None),
            Holder::Own => ("own", None, None),
            Holder::Provider => ("reserved", None, None),
            Holder::Offered(to) => ("offered", Some(to), None),
            Holder::Leased { lessee, at, delegate: true } => ("leased", Some(lessee), Some(*at)),
            Holder::Leased { lessee, at, delegate: false } => ("reserved", Some(lessee), Some(*at)),
            Holder::Resting(from) => ("resting", Some(from), None),
        };
        BlockRow {
            subnet: block.subnet.to_string(),
            state: state.to_owned(),
            holder: holder.map(ToString::to_string),
            address,
            expires: block.until.and_then(|until| left(until, now)),
            wanted: block.deprecated,
            size: block.subnet.size().into(),
            routes: None,
            usage: block.usage.map(UsageRow::from),
        }
    });
    RootRow {
        subnet: root.subnet.to_string(),
        provider,
        standing: standing.to_owned(),
        rests,
        expires,
        renews,
        max_lease,
        size: root.subnet.size().into(),
        free: root.free,
        routes: None,
        usage: root.usage.into(),
        blocks: blocks.collect(),
    }
}
