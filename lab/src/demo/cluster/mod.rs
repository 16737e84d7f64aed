//! `cargo xtask demo cluster`: three gateways with one address, seen from the subscribers and from the members.
//!
//! Two members serve everybody. A third joins, one is drained for maintenance, the master is killed with SIGKILL, and
//! traffic goes on all the while. What is shown is measured at the subscribers (which datagrams came back, and how often),
//! on the server's own interface (nobody is logged out), and in the members' maps (who owns what, who forwarded how many).
//! Anything that is not as told ends the demo with an error.

mod act;
mod share;

use std::time::Instant;

use anyhow::Result;

use super::screen::Screen;
use act::Act;

/// Options of `cargo xtask demo cluster`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Subscribers.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=2000))]
    subscribers: u32,
}

pub(super) fn run(options: &Options) -> Result<()> {
    let start = Instant::now();
    let mut screen = Screen::new();
    let Options { subscribers } = options;
    screen
        .title(&format!("Three gateways, one address: {subscribers} subscribers in 1024 work units, nobody logs out"));
    Act::set(*subscribers, &mut screen)?.play(&mut screen)?;
    screen.done(start.elapsed());
    Ok(())
}
