//! `cargo xtask vm`: another kernel than the host's, in a virtual machine.
//!
//! The machine boots a kernel of Debian's in QEMU without KVM and sees the host's files as they are, read-only, with
//! whatever it writes in its own memory. So what is built and installed on the host runs in it: tests, servers, clients.
//! Nothing is installed for it: packages are unpacked below `target/vm`.

mod initrd;
mod machine;
mod packages;
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use xtask::cargo::workspace;

use machine::Machine;

/// What to do in the machine.
#[derive(clap::Subcommand)]
pub(crate) enum Vm {
    /// Run a command; its output and its exit status are those of this command.
    Run(Run),
    /// Run tests of `tests/`: without a name those that another kernel can fail, and those that the host's may not be able to run.
    Test(Test),
}

/// The machine itself.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The Debian package of the kernel; a metapackage stands for the newest.
    #[arg(long, default_value_t = Options::default().kernel)]
    kernel: String,
    /// Memory in MiB.
    #[arg(long, default_value_t = Options::default().memory)]
    memory: u32,
    /// Seconds after which the machine is switched off.
    #[arg(long, default_value_t = Options::default().timeout)]
    timeout: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { kernel: "linux-image-cloud-amd64".to_owned(), memory: 2048, timeout: 1800 }
    }
}

/// Options of `vm run`.
#[derive(clap::Args)]
pub(crate) struct Run {
    #[command(flatten)]
    options: Options,
    /// The command and its arguments, run as root in this directory.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Options of `vm test`.
#[derive(clap::Args)]
pub(crate) struct Test {
    #[command(flatten)]
    options: Options,
    /// Test binaries as in `tests/tests`, each with a part of its tests' names if not all are wanted: `login=embedded`.
    #[arg(default_values_t = tests::DEFAULT.map(str::to_owned))]
    names: Vec<String>,
}

/// Boot, run, and fail as what was run has failed.
pub(crate) fn run(command: &Vm) -> Result<()> {
    match command {
        Vm::Run(run) => {
            let directory = std::env::current_dir()?;
            run_in(&run.options, &directory, &run.command)
        }
        Vm::Test(test) => tests::run(&test.options, &test.names),
    }
}

/// Boot and run a command as if it were ours: what it prints, and whether it fails.
fn run_in(options: &Options, directory: &Path, command: &[String]) -> Result<()> {
    let status = machine(options)?.run(directory, command)?.status;
    if status != 0 {
        bail!("in the machine: exit status {status}");
    }
    Ok(())
}

/// Play something that the host's kernel may not be able to.
pub(crate) fn play(command: &[String]) -> Result<()> {
    let patient = ["env".to_owned(), tests::patience()];
    run_in(&Options::default(), workspace(), &[&patient[..], command].concat())
}

/// What `cargo xtask test` runs in the machine.
pub(crate) fn verify() -> Result<()> {
    tests::run(&Options::default(), &tests::DEFAULT.map(str::to_owned))
}

/// A machine that can be booted: kernel and QEMU are there, and the first file system is made.
fn machine(options: &Options) -> Result<Machine> {
    if std::env::consts::ARCH != "x86_64" {
        bail!("the virtual machine is one of amd64, which this host can't emulate with what is unpacked here");
    }
    let unpacked = packages::unpack(&options.kernel)?;
    let initrd = initrd::make(&unpacked)?;
    Ok(Machine { unpacked, initrd, memory: options.memory, timeout: Duration::from_secs(options.timeout) })
}

/// What was unpacked, and where.
struct Unpacked {
    /// The root directory of everything unpacked.
    root: PathBuf,
    /// The kernel's release, as `uname -r` says it.
    release: String,
}

impl Unpacked {
    fn modules(&self) -> PathBuf {
        self.root.join("lib/modules").join(&self.release)
    }
}
