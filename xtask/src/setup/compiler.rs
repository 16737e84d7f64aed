//! The two ways to compile the eBPF object, and bpf-linker for both.

use super::packages::{BUILD, command, missing};
use anyhow::Result;
use std::fmt;
use std::path::PathBuf;
use xtask::cargo::{cargo, check};

/// What to do by hand where Debian's packages are not to be had.
pub(crate) const ALTERNATIVE: &str = "Any host with rustup can do this instead:\n  \
    rustup toolchain install nightly --component rust-src\n  cargo install bpf-linker";

const LINKER_VERSION: &str = "0.13.0";

/// A compiler that can build `core` for BPF, with bpf-linker beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compiler {
    /// A rustup nightly with rust-src: `rustup run nightly cargo`.
    Nightly,
    /// Debian's `/usr/bin/cargo` and `/usr/bin/rustc` (packages rustc-web, cargo-web, rust-web-src).
    Debian,
}

impl Compiler {
    /// The compiler that is there, if it is complete.
    pub(crate) fn find() -> Option<Self> {
        linker()?;
        if nightly_sources() {
            Some(Compiler::Nightly)
        } else if missing(BUILD).is_empty() {
            Some(Compiler::Debian)
        } else {
            None
        }
    }
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Compiler::Nightly => write!(f, "rustup's nightly with rust-src, and bpf-linker"),
            Compiler::Debian => write!(f, "Debian's rustc-web, and bpf-linker"),
        }
    }
}

/// Compile bpf-linker against Debian's LLVM 22 if there is none.
pub(crate) fn ensure_linker() -> Result<()> {
    if linker().is_some() {
        return Ok(());
    }
    println!("setup: compiling bpf-linker {LINKER_VERSION} (about a minute)");
    let mut install = cargo(["install", "--quiet", "bpf-linker", "--version", LINKER_VERSION]);
    install.args(["--no-default-features", "--features", "llvm-22"]).env("LLVM_PREFIX", "/usr/lib/llvm-22");
    // An xtask started by cargo would hand the workspace's own settings down to this unrelated build.
    install.env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
    // Its work is done in LLVM, which is compiled already.
    install.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1").env("CARGO_PROFILE_RELEASE_DEBUG", "none");
    check(&mut install)
}

/// bpf-linker: on the PATH, or where `cargo install` puts it.
pub(crate) fn linker() -> Option<PathBuf> {
    command("bpf-linker").or_else(|| {
        let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))?;
        Some(home.join("bin/bpf-linker")).filter(|path| path.is_file())
    })
}

fn nightly_sources() -> bool {
    let home = std::env::var_os("RUSTUP_HOME").map(PathBuf::from);
    let Some(home) = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".rustup"))) else {
        return false;
    };
    let Ok(toolchains) = home.join("toolchains").read_dir() else { return false };
    toolchains.flatten().any(|toolchain| {
        toolchain.file_name().to_string_lossy().starts_with("nightly-")
            && toolchain.path().join("lib/rustlib/src/rust/library/core").exists()
    })
}
