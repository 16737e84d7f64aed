//! `cargo xtask bench <what> [--json]`: each figure against its limit or its peers, in one run.

#![allow(dead_code, reason = "the report's form stands before the first bench that fills it")]

mod report;

use anyhow::Result;

/// What can be measured.
#[derive(clap::Subcommand)]
pub(crate) enum Bench {}

/// Measure, print the table (or with `--json` one object), and fail where a limit does not hold.
pub(crate) fn run(bench: Bench) -> Result<()> {
    match bench {}
}
