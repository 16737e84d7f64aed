//! `cargo xtask demo`: a thousand subscribers' whole life, watched from outside the gateway.
//!
//! Three acts with the same story: the embedded server, which understands the single logout, then Kea and dnsmasq, which
//! don't. What is shown is measured where the gateway can't influence it: DHCP on the server's own interface, traffic at
//! the subscribers, routes in the kernel's map, leases in the servers' files. Anything that is not as told ends the demo
//! with an error.

mod act;
mod screen;

use std::time::Instant;

use anyhow::{Context, Result};
use gateway_tests::server::Kind;

use crate::cargo::target;
use crate::{build, setup};
use act::{Act, Figures};
use screen::Screen;

/// Options of `cargo xtask demo`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Subscribers behind each of the two FPCs.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=2000))]
    subscribers: u32,
}

/// Set up, build, play.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::ensure_tests()?;
    build::run(&build::Options { release: true, ..Default::default() })?;
    gateway_tests::daemon::choose_program(target().join("release/gateway"));

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
    screen.done(start.elapsed());
    Ok(())
}
