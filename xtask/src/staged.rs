//! `cargo xtask demo`, `bench` and `lab`: the crate in `lab` does them, one of the demos in a virtual machine. It is compiled
//! together with the gateway, so that neither waits for dependencies of its own: as the gateway is delivered where time counts,
//! else as for the tests, which takes a newcomer a third of the time.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context, Result};
use xtask::cargo::{cargo, check, line, target};

use crate::{build, setup, vm};

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
        self.simulates(task) || self.words.iter().any(|word| word == "--help" || word == "-h")
    }

    /// Whether it plays in simulated time alone.
    fn simulates(&self, task: &str) -> bool {
        let what = self.words.first().and_then(|what| what.to_str());
        matches!((task, what), ("bench", Some("sim" | "subnets" | "paths")) | ("demo", Some("subnets")))
    }

    /// Whether it is optimised: what measures, what computes for long, and what an emulated machine runs.
    fn wants_release(&self, task: &str) -> bool {
        task == "bench" || self.simulates(task) || self.needs_sctp(task)
    }

    /// Whether it needs a kernel with SCTP, which the host's may not be.
    fn needs_sctp(&self, task: &str) -> bool {
        task == "demo" && self.words.first().is_some_and(|what| what == "move")
    }
}

/// Set up, build the gateway and the lab, and become the lab.
pub(crate) fn run(task: &str, words: &Words) -> Result<()> {
    let mut packages = vec!["--package", "gateway-lab"];
    if !words.is_host_only(task) {
        setup::ensure_all()?;
        build::object(false)?;
        packages.extend(["--package", "gateway-user"]);
    }
    let (profile, directory) = if words.wants_release(task) { ("release", "release") } else { ("dev", "debug") };
    check(&mut cargo([&["build", "--quiet", "--profile", profile][..], &packages].concat()))?;
    let lab = target().join(directory).join("lab");
    if words.needs_sctp(task) && !words.is_host_only(task) {
        let text = |word: &OsString| word.to_str().map(str::to_owned).context("a word that is not text");
        let words = words.words.iter().map(text).collect::<Result<Vec<_>>>()?;
        let lab = lab.to_str().context("the target directory's name is not text")?;
        return vm::play(&[&[lab.to_owned(), task.to_owned()][..], &words].concat());
    }
    let mut lab = Command::new(lab);
    lab.arg(task).args(&words.words);
    // It comes back only when there was nothing to become.
    Err(lab.exec()).with_context(|| format!("could not start: {}", line(&lab)))
}
