//! `cargo xtask demo`: a thousand subscribers' whole life, watched from outside the gateway.
//!
//! Three acts with the same story: the embedded server, which understands the single logout, then Kea and dnsmasq, which
//! don't; and one with dual-stack subscribers. What is shown is measured where the gateway can't influence it: DHCP on the server's own interface, traffic at
//! the subscribers, routes in the kernel's map, leases in the servers' files. Anything that is not as told ends the demo
//! with an error. `cargo xtask demo cluster` plays another one, with several gateways, `cargo xtask demo move` one with an association
//! that moves, and `cargo xtask demo subnets` one with DHCP servers alone.

mod act;
mod cluster;
mod dual;
mod moving;
mod screen;
mod subnets;

use std::time::Instant;

use anyhow::{Context, Result};
use gateway_tests::server::Kind;

use act::{Act, Figures};
use screen::Screen;

/// Dual-stack subscribers at most.
const MOST_DUAL: u32 = 300;

/// Options of `cargo xtask demo`.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    play: Option<Play>,
    /// Subscribers behind each of the two FPCs.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=2000))]
    subscribers: u32,
}

/// Another play than the usual one.
#[derive(clap::Subcommand)]
enum Play {
    /// Several gateways with one address: one joins, one is drained, the master is killed, and nobody logs out.
    Cluster(cluster::Options),
    /// A subscriber's SCTP association that moves between two logins under a transfer; in a virtual machine.
    Move,
    /// A year of four DHCP servers that hand subnets to each other, in seconds, and a chart of it.
    Subnets(subnets::Options),
}

/// Set up, build, play.
pub(crate) fn run(options: &Options) -> Result<()> {
    match &options.play {
        Some(Play::Cluster(options)) => cluster::run(options),
        Some(Play::Move) => moving::run(),
        Some(Play::Subnets(options)) => subnets::run(options),
        None => lives(options),
    }
}

fn lives(options: &Options) -> Result<()> {
    let start = Instant::now();
    let subscribers = options.subscribers;
    let mut screen = Screen::new();
    screen.title(&format!("A subscriber's whole life: 2 FPCs x {subscribers} subscribers, forwarded in XDP"));
    let mut played: Vec<(&str, Figures)> = Vec::new();
    for (kind, name) in [(Kind::Embedded, "embedded"), (Kind::Kea, "Kea"), (Kind::Dnsmasq, "dnsmasq")] {
        screen.act(&match kind {
            Kind::Embedded => "The embedded server understands the single logout".to_owned(),
            _ => format!("{name} does not: one RELEASE for each login, paced"),
        });
        let figures = Act { kind, subscribers }.play(&mut screen).with_context(|| format!("with {name} as server"))?;
        played.push((name, figures));
    }
    screen.comparison(&played);
    screen.act("Both versions of IP: an address of each and a delegated prefix, one single logout for each");
    dual::play(&mut screen, subscribers.min(MOST_DUAL)).context("with dual-stack subscribers")?;
    screen.done(start.elapsed());
    Ok(())
}
