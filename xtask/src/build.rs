//! `cargo xtask build`: the eBPF object, then the `gateway` binary that carries it.

use crate::cargo::{cargo, check, target};
use crate::setup::{self, Compiler};
use anyhow::{Context, Result};
use std::process::Command;

/// Options of `cargo xtask build`.
#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// Build the `gateway` binary with optimisation.
    #[arg(long)]
    pub(crate) release: bool,
}

/// Set up what is missing, then compile the object into `target/bpf/gateway-ebpf` and the binary beside it.
pub(crate) fn run(options: &Options) -> Result<()> {
    object()?;
    let mut arguments = vec!["build", "--package", "gateway-user"];
    arguments.extend(options.release.then_some("--release"));
    check(&mut cargo(arguments))
}

/// Compile the eBPF object and copy it to `target/bpf/gateway-ebpf`.
pub(crate) fn object() -> Result<()> {
    let compiler = setup::ensure_compiler()?;
    let mut command = match compiler {
        Compiler::Debian => {
            let mut command = Command::new("/usr/bin/cargo");
            // build-std is unstable; Debian's compiler is allowed to use it for this one child.
            command.env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1").env_remove("RUSTUP_TOOLCHAIN");
            command
        }
        Compiler::Nightly => {
            let mut command = Command::new("rustup");
            command.args(["run", "nightly", "cargo"]).env_remove("RUSTUP_TOOLCHAIN");
            command
        }
    };
    command.args(["build", "--package", "gateway-ebpf", "--profile", "bpf"]);
    command.args(["--target", "bpfel-unknown-none", "-Z", "build-std=core"]);
    command.arg("--target-dir").arg(target().join("bpf/build")).current_dir(crate::cargo::workspace());
    check(&mut command)?;
    let object = target().join("bpf/build/bpfel-unknown-none/bpf/gateway-ebpf");
    std::fs::copy(&object, target().join("bpf/gateway-ebpf"))
        .with_context(|| format!("no object at {}", object.display()))?;
    Ok(())
}
