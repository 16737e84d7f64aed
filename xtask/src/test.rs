//! `cargo xtask test [filter]`: everything that can be wrong, in one command.

use crate::cargo::{cargo, check};
use crate::{build, setup};
use anyhow::Result;

/// Options of `cargo xtask test`.
#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// Run only the tests whose name contains this; format and lints are then left out.
    filter: Option<String>,
}

/// Set up, build, check format and lints, then run the tests.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::ensure_tests()?;
    build::run(&build::Options::default())?;
    if options.filter.is_none() {
        check(&mut cargo(["fmt", "--all", "--check"]))?;
        check(&mut cargo(["clippy", "--all-targets", "--quiet", "--", "-D", "warnings"]))?;
    }
    let mut tests = cargo(["test", "--quiet"]);
    tests.args(&options.filter);
    check(&mut tests)
}
