//! What is said on the control socket: one line of JSON for a [`Request`], one for its [`Response`].
//!
//! The rows are also what `--json` prints. Times are seconds relative to the moment of the answer, so that nobody has
//! to know the gateway's clock (but for those of the DHCP server's leases, which are UTC); addresses, MACs and tags are text as
//! people write them.

mod cluster;
mod dhcp_server;
mod paths;
mod recovery;
mod releases;
mod rows;

use std::net::{IpAddr, Ipv4Addr};

pub use gateway_server::exchange::Filter;
pub use gateway_server::lookup::LeasePage;
pub use gateway_server::subnets::SubnetsView;
use serde::{Deserialize, Serialize};

pub use cluster::*;
pub use dhcp_server::*;
pub use paths::*;
pub use recovery::*;
pub use releases::*;
pub use rows::*;

/// What an operator asks of a running gateway.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// The gateway as a whole: [`Response::Status`].
    Status,
    /// Sessions, a page at a time: [`Response::Sessions`].
    Sessions {
        /// Slot to go on from; 0 at first, then [`SessionPage::next`].
        #[serde(default)]
        from: u32,
        /// Most sessions of one page.
        max: u32,
        /// Only those of this FPC.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fpc: Option<String>,
        /// Only those behind this access port.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<String>,
        /// Only those of this MAC.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mac: Option<String>,
        /// Only those that are logged out but not confirmed.
        #[serde(default)]
        orphaned: bool,
    },
    /// The subscriber with an address: [`Response::Sessions`] with one row or none.
    Session {
        /// The address, or one of a prefix that is delegated to it.
        address: IpAddr,
    },
    /// What the embedded DHCP server has leased, a page at a time: [`Response::Leases`].
    Leases {
        /// Number to go on from; 0 at first, then [`LeasePage::next`].
        from: u64,
        /// Which leases.
        #[serde(default)]
        filter: Filter,
    },
    /// Have the embedded DHCP server tell a client to renew now (FORCERENEW): [`Response::Done`].
    RenewLease {
        /// The client's address.
        address: Ipv4Addr,
    },
    /// The embedded DHCP server: [`Response::DhcpServer`].
    DhcpServer,
    /// Subnets from and for other DHCP servers: [`Response::Subnets`].
    Subnets,
    /// How many access routes lie in each of these subnets: [`Response::AccessRoutes`].
    AccessRoutes {
        /// The subnets, such as 100.96.0.0/26.
        subnets: Vec<String>,
    },
    /// Enter a subnet at this DHCP server: [`Response::Subnets`], with it.
    AddSubnet {
        /// The subnet, such as 100.96.0.0/20.
        subnet: String,
        /// The longest lease of it, in seconds; absent: without a limit of its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_lease: Option<u64>,
        /// Nobody has any of it, even if this server has lost its store.
        #[serde(default)]
        fresh: bool,
    },
    /// Take a subnet away that was entered here, as soon as nobody has any of it: [`Response::Subnets`].
    RemoveSubnet {
        /// The subnet.
        subnet: String,
    },
    /// Line cards: [`Response::Fpcs`].
    Fpcs,
    /// DHCP servers: [`Response::Servers`].
    Servers,
    /// Running releases and the last finished ones: [`Response::Releases`].
    Releases,
    /// Work units: [`Response::Units`].
    Units {
        /// Each of them, too.
        #[serde(default)]
        list: bool,
    },
    /// Members of the cluster: [`Response::Members`].
    Members,
    /// Move a member's units to the others, or let it have some again; the master's matter: [`Response::Done`].
    Drain {
        /// Its name.
        member: String,
        /// It may have units again.
        #[serde(default)]
        end: bool,
    },
    /// Sampled drops: [`Response::Drops`].
    Drops {
        /// Only samples with a greater number; 0 for all that are kept.
        #[serde(default)]
        after: u64,
    },
    /// What happened: [`Response::Events`].
    Events {
        /// Only events with a greater number; 0 for all that are kept.
        #[serde(default)]
        after: u64,
        /// Only what concerns cards, servers and the gateway, not single subscribers.
        #[serde(default)]
        brief: bool,
    },
    /// Release one subscriber at its server: [`Response::Done`].
    Release {
        /// The subscriber's address, or one of a prefix that is delegated to it.
        address: IpAddr,
    },
    /// Ask servers what they leased through this gateway: [`Response::Done`].
    Recover {
        /// Only this one, as configured.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        server: Option<IpAddr>,
        /// Only look, and change nothing.
        #[serde(default)]
        compare: bool,
    },
    /// What servers told, and the differences: [`Response::Recoveries`].
    Recoveries,
    /// An FPC is about to be restarted (BR-20): [`Response::Restart`].
    RestartFpc {
        /// Its name.
        fpc: String,
        /// What becomes of its logins, instead of the card's own policy.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        policy: Option<RestartPolicy>,
    },
    /// Ask a server what a single logout would do, changing nothing (PROBE): [`Response::Done`].
    Probe {
        /// The server, as configured.
        server: Ipv4Addr,
    },
}

/// What becomes of the logins of a restarted FPC.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// They are released at their servers.
    Logout,
    /// They stay until their leases end.
    Maintain,
}

/// The answer to a [`Request`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "response", content = "data", rename_all = "kebab-case")]
pub enum Response {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Sessions`] and [`Request::Session`].
    Sessions(SessionPage),
    /// To [`Request::Leases`].
    Leases(LeasePage),
    /// To [`Request::DhcpServer`].
    DhcpServer(DhcpServer),
    /// To [`Request::Subnets`], and what there is after a change.
    Subnets(SubnetsView),
    /// To [`Request::AccessRoutes`], in the order of the question.
    AccessRoutes(Vec<u64>),
    /// To [`Request::Fpcs`].
    Fpcs(Vec<Fpc>),
    /// To [`Request::Servers`].
    Servers(Vec<Server>),
    /// To [`Request::Releases`], the latest first.
    Releases(Vec<Release>),
    /// To [`Request::Units`].
    Units(Units),
    /// To [`Request::Members`].
    Members(Box<Members>),
    /// To [`Request::Drops`], the oldest first.
    Drops(Vec<DropSample>),
    /// To [`Request::Events`], the oldest first.
    Events(Vec<Event>),
    /// To [`Request::RestartFpc`].
    Restart(Restart),
    /// To [`Request::Recoveries`].
    Recoveries(Vec<Recovery>),
    /// It is under way; the text says what.
    Done(String),
    /// It can't be done; the text says why and what would help.
    Error(String),
}
