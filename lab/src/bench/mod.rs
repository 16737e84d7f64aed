//! `cargo xtask bench <what> [--json]`: each figure against its limit or its peers, in one run.

mod data_plane;
mod logout;
mod relay;
mod report;
mod server;
mod sim;
mod takeover;

use anyhow::Result;

/// What can be measured.
#[derive(clap::Subcommand)]
pub(crate) enum Bench {
    /// Dropping what belongs to another member, beside a program that only drops.
    Drop(data_plane::Options),
    /// Forwarding subscriber data, beside the kernel's own forwarding.
    Forward(data_plane::Forward),
    /// CPU per login through the relay, beside dhcrelay and dnsmasq.
    Relay(relay::Options),
    /// The cluster's simulation: ten thousand seeds of everything that can go wrong.
    Sim(sim::Options),
    /// The same for servers that hand subnets to each other, in a hierarchy, as peers, and both.
    Subnets(sim::Options),
    /// The same for two ends of an association whose addresses come and go, at both at once.
    Paths(sim::Options),
    /// How fast a cluster takes over and takes in, and what it costs that every member has every session.
    Takeover(takeover::Options),
    /// Logins at the embedded DHCP server, beside Kea and ISC dhcpd, and what a million leases cost it.
    Server(server::Options),
    /// What the end of a line card's logins costs: by one message, and one by one.
    Logout(logout::Options),
}

/// Measure, print the table (or with `--json` one object), and fail where a limit does not hold.
pub(crate) fn run(bench: &Bench) -> Result<()> {
    match bench {
        Bench::Drop(options) => data_plane::drop(options),
        Bench::Forward(options) => data_plane::forward(options),
        Bench::Relay(options) => relay::run(options),
        Bench::Sim(options) => sim::run(&sim::CLUSTER, options),
        Bench::Subnets(options) => sim::run(&sim::SUBNETS, options),
        Bench::Paths(options) => sim::run(&sim::PATHS, options),
        Bench::Takeover(options) => takeover::run(options),
        Bench::Server(options) => server::run(options),
        Bench::Logout(options) => logout::run(options),
    }
}
