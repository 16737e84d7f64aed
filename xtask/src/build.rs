//! `cargo xtask build`: the eBPF object, then the `gateway` binary that carries it.

use crate::setup::{self, Compiler};
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;
use xtask::cargo::{cargo, check, target};

/// Options of `cargo xtask build`.
#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// Build the `gateway` binary with optimisation.
    #[arg(long)]
    pub(crate) release: bool,
    /// Development traces in the data plane: one log line for every packet.
    #[arg(long)]
    pub(crate) trace: bool,
}

/// The target of the object: every host the gateway runs on is little-endian.
const TARGET: &str = "bpfel-unknown-none";

/// Set up what is missing, then compile the object into `target/bpf/gateway-ebpf` and the binary beside it.
pub(crate) fn run(options: &Options) -> Result<()> {
    object(options.trace)?;
    let mut arguments = vec!["build", "--package", "gateway-user"];
    arguments.extend(options.release.then_some("--release"));
    check(&mut cargo(arguments))
}

/// Set up what is missing, then compile the eBPF objects and copy them to `target/bpf`.
pub(crate) fn object(trace: bool) -> Result<()> {
    let directory = target().join("bpf/build");
    let mut command = bpf_cargo(&directory)?;
    if trace {
        command.args(["--features", "trace"]);
    }
    check(&mut command)?;
    // The gateway's programs, and those that only benches and the lab use.
    for name in ["gateway-ebpf", "gateway-ebpf-probes"] {
        let built = directory.join(TARGET).join("bpf").join(name);
        let octets = std::fs::read(&built).with_context(|| format!("no object at {}", built.display()))?;
        // An unchanged object keeps its time stamp, so that nothing is rebuilt that embeds it.
        let object = target().join("bpf").join(name);
        if std::fs::read(&object).ok().as_ref() != Some(&octets) {
            std::fs::write(&object, octets).with_context(|| object.display().to_string())?;
        }
    }
    Ok(())
}

/// `cargo build` of the eBPF crate for BPF.
fn bpf_cargo(directory: &Path) -> Result<Command> {
    let mut command = match setup::ensure_compiler()? {
        Compiler::Debian => {
            let mut command = Command::new("/usr/bin/cargo");
            // build-std is unstable; Debian's compiler is allowed to use it for this one child.
            command.env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1");
            command
        }
        Compiler::Nightly => {
            let mut command = Command::new("rustup");
            command.args(["run", "nightly", "cargo"]);
            command
        }
    };
    command.args(["build", "--package", "gateway-ebpf", "--profile", "bpf"]);
    command.args(["--target", TARGET, "-Z", "build-std=core"]);
    command.arg("--target-dir").arg(directory).current_dir(xtask::cargo::workspace());
    command.env("CARGO_ENCODED_RUSTFLAGS", rustflags()).env_remove("RUSTUP_TOOLCHAIN");
    Ok(command)
}

/// Flags of the BPF build. Version 3 of the instruction set is what kernel 6.1 knows; a header field is read in one
/// load although it is not aligned, which every architecture with an XDP driver can.
fn rustflags() -> String {
    let architecture = format!("--cfg=bpf_target_arch=\"{}\"", std::env::consts::ARCH);
    [
        architecture.as_str(),
        "-Cdebuginfo=2",
        "-Clink-arg=--btf",
        "-Ctarget-cpu=v3",
        "-Clink-arg=--cpu-features=+allows-misaligned-mem-access",
    ]
    .join("\x1f")
}
