//! `cargo xtask setup`: bring what is missing for building the eBPF object and for the tests.
//!
//! It works on Debian 12 as root. Elsewhere it says exactly what to install. It starts no service, and when nothing
//! is missing it only looks at some paths.

mod apt;
mod compiler;
mod packages;

pub(crate) use compiler::Compiler;
pub(crate) use packages::command;

use anyhow::{Result, bail};
use packages::Package;

/// Options of `cargo xtask setup`.
#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// Only what compiling the eBPF object needs.
    #[arg(long, conflicts_with = "test")]
    build: bool,
    /// Only what the lab and the tests need: DHCP servers, clients, relays and network tools.
    #[arg(long)]
    test: bool,
}

/// Install, and report what is there.
pub(crate) fn run(options: &Options) -> Result<()> {
    if !options.build && !options.test {
        ensure_all()?;
    }
    if !options.test {
        let compiler = ensure_compiler()?;
        println!("setup: eBPF compiler ready ({compiler})");
    }
    if !options.build {
        ensure_tests()?;
        println!("setup: {} packages for lab and tests ready", packages::TEST.len());
    }
    Ok(())
}

/// Everything, with one run of apt for all that is missing.
pub(crate) fn ensure_all() -> Result<()> {
    let mut missing = packages::missing(packages::TEST);
    if Compiler::find().is_none() {
        missing.extend(packages::missing(packages::BUILD));
    }
    install("building the eBPF object and for the tests", missing, compiler::ALTERNATIVE)?;
    ensure_compiler()?;
    ensure_tests()
}

/// What compiles the eBPF object, installed first if there is none.
pub(crate) fn ensure_compiler() -> Result<Compiler> {
    if let Some(compiler) = Compiler::find() {
        return Ok(compiler);
    }
    install("building the eBPF object", packages::missing(packages::BUILD), compiler::ALTERNATIVE)?;
    compiler::ensure_linker()?;
    match Compiler::find() {
        Some(compiler) => Ok(compiler),
        None => bail!("the packages are installed, but no eBPF compiler was found\n{}", compiler::ALTERNATIVE),
    }
}

/// Servers, clients, relays and tools of the lab, installed first if missing. The lab itself needs root.
pub(crate) fn ensure_tests() -> Result<()> {
    install("the lab and the tests", packages::missing(packages::TEST), "")?;
    if !apt::is_root() {
        bail!("network namespaces, XDP and AF_PACKET need root: run this as root");
    }
    Ok(())
}

/// Install `missing` (nothing to do when empty), or say what the user has to do.
fn install(purpose: &str, missing: Vec<&'static Package>, alternative: &str) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing.iter().map(|package| package.name).collect();
    if !apt::is_debian() {
        let what: Vec<_> = missing.iter().map(|package| package.describe()).collect();
        bail!(
            "{purpose} needs, and this host lacks:\n  {}\nsetup installs them on Debian 12 only; install them by hand.\n{alternative}",
            what.join("\n  ")
        );
    }
    if !apt::is_root() {
        bail!(
            "{purpose} needs packages that only root can install:\n  apt-get install --no-install-recommends {}\n{alternative}",
            names.join(" ")
        );
    }
    println!("setup: installing for {purpose}: {}", names.join(" "));
    apt::install(&missing)
}
