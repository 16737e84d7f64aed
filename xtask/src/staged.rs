//! `cargo xtask demo`, `bench` and `lab`: the crate in `lab` does them. It is compiled as the gateway is delivered and together
//! with it, so that neither waits for dependencies of its own.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context, Result};
use xtask::cargo::{cargo, check, line, target};

use crate::{build, setup};

/// What follows the task's name, as the lab understands it.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Words {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "…", help = "See --help of the task")]
    words: Vec<OsString>,
}

impl Words {
    /// Whether nothing but words are wanted of the lab: no namespaces, no programs, no gateway.
    fn is_host_only(&self, task: &str) -> bool {
        let wants_help = self.words.iter().any(|word| word == "--help" || word == "-h");
        let what = self.words.first().and_then(|what| what.to_str());
        let simulates = matches!((task, what), ("bench", Some("sim" | "subnets")) | ("demo", Some("subnets")));
        wants_help || simulates
    }
}

/// Set up, build the gateway and the lab as they are delivered, and become the lab.
pub(crate) fn run(task: &str, words: &Words) -> Result<()> {
    let mut packages = vec!["--package", "gateway-lab"];
    if !words.is_host_only(task) {
        setup::ensure_all()?;
        build::object(false)?;
        packages.extend(["--package", "gateway-user"]);
    }
    check(&mut cargo([&["build", "--quiet", "--release"][..], &packages].concat()))?;
    let mut lab = Command::new(target().join("release/lab"));
    lab.arg(task).args(&words.words);
    // It comes back only when there was nothing to become.
    Err(lab.exec()).with_context(|| format!("could not start: {}", line(&lab)))
}
