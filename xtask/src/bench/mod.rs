//! `cargo xtask bench <what> [--json]`: each figure against its limit or its peers, in one run.

mod relay;
mod report;

use anyhow::Result;

use crate::cargo::target;
use crate::{build, setup};

/// What can be measured.
#[derive(clap::Subcommand)]
pub(crate) enum Bench {
    /// CPU per login through the relay, beside dhcrelay and dnsmasq.
    Relay(relay::Options),
}

/// Measure, print the table (or with `--json` one object), and fail where a limit does not hold.
pub(crate) fn run(bench: &Bench) -> Result<()> {
    setup::ensure_tests()?;
    build::run(&build::Options { release: true, ..Default::default() })?;
    gateway_tests::daemon::choose_program(target().join("release/gateway"));
    match bench {
        Bench::Relay(options) => relay::run(options),
    }
}
