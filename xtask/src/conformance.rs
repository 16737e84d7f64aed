//! `cargo xtask conformance`: which test proves which requirement.

use anyhow::Result;

/// Options of `cargo xtask conformance`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Print a JSON array of `{"requirement", "level", "tests", "reason"}`.
    #[arg(long)]
    json: bool,
}

/// Print the table.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.json {
        println!("[]");
    }
    Ok(())
}
