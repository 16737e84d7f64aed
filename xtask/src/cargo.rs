//! Where the workspace is, and running commands in it so that a failure says which command it was.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The workspace's root directory.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// The workspace's `target` directory, or the one that $CARGO_TARGET_DIR names.
pub fn target() -> PathBuf {
    let named = std::env::var_os("CARGO_TARGET_DIR").and_then(|path| std::path::absolute(path).ok());
    named.unwrap_or_else(|| workspace().join("target"))
}

/// `cargo <arguments>` in the workspace, with the toolchain that runs this xtask.
pub fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(workspace());
    if std::env::var_os("CARGO_TARGET_DIR").is_some() {
        // Read relative to where it is run, and the object to embed lies there too.
        command.env("CARGO_TARGET_DIR", target()).env("GATEWAY_EBPF_OBJECT", target().join("bpf/gateway-ebpf"));
    }
    command
}

/// Run to the end, the output passing through. An exit code other than 0 is an error that quotes the command.
pub fn check(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("could not start: {}", line(command)))?;
    if !status.success() {
        bail!("failed ({status}): {}", line(command));
    }
    Ok(())
}

/// The command as one would type it.
pub fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
