//! Test binaries in the machine.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::{Options, machine};
use crate::build;
use xtask::cargo::{cargo, line, workspace};

/// The verifier takes both programs, they forward in native and in generic mode, a subscriber's whole life, and associations
/// of SCTP that move, which the host's kernel may not have.
pub(super) const DEFAULT: [&str; 4] =
    ["packets=both_programs_load", "packets=live::", "login=at_the_embedded_server", "sctp"];
/// What takes longer in an emulated machine: all packet tables, and a member of three that dies.
pub(super) const ALL: [&str; 4] =
    ["packets", "login=at_the_embedded_server", "sctp", "cluster_takeover=the_master_dies_under"];

/// A line of cargo's messages about something it has compiled.
#[derive(Deserialize)]
struct Message {
    manifest_path: PathBuf,
    target: Target,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    name: String,
}

/// Builds on the host, then runs one binary after the other in one machine. A name is `binary` or `binary=part of names`.
pub(super) fn run(options: &Options, names: &[String]) -> Result<()> {
    build::object(false)?;
    let wanted: Vec<_> = names.iter().map(|name| name.split_once('=').unwrap_or((name, ""))).collect();
    let binaries = compile()?;
    let machine = machine(options)?;
    let start = Instant::now();
    let mut script = "echo \"$(uname -sr), $(cut -d' ' -f1 /proc/uptime) s after its start\"; failed=\n".to_owned();
    for (name, filter) in wanted {
        let binary = binaries.get(name).with_context(|| format!("cargo built no test {name}"))?;
        // One after the other: what waits for packets has timeouts of a host that is not emulated.
        // What the host's kernel lacks is ignored there; this one has it.
        let run = format!("'{}' --test-threads=1 --include-ignored {filter}", binary.display());
        // A filter that finds nothing is a mistake, not a success.
        script += &format!("{run} --list | grep -q ': test$' && {run} || failed=\"$failed {name}\"\n");
    }
    script += "[ -z \"$failed\" ] || { echo \"failed:$failed\"; exit 1; }\n";
    let command = ["sh", "-c", &script].map(str::to_owned);
    let status = machine.run(&workspace().join("tests"), &command)?;
    println!("== vm: {} runs of tests in {:.0} s", names.len(), start.elapsed().as_secs_f64());
    if status != 0 {
        bail!("tests failed in the machine");
    }
    Ok(())
}

/// The test binaries of `tests/`, by name. Everything is compiled as `cargo xtask test` does it, the `gateway` binary too:
/// what that has left is used, and the other way round.
fn compile() -> Result<BTreeMap<String, PathBuf>> {
    let mut command = cargo(["test", "--workspace", "--features", "gateway-tests/kernel", "--no-run", "--quiet"]);
    command.args(["--message-format", "json"]);
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("failed: {}", line(&command));
    }
    let text = String::from_utf8(output.stdout).context("cargo's messages")?;
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    let manifest = workspace().join("tests/Cargo.toml");
    let ours = messages.filter(|message| message.manifest_path == manifest && message.target.kind == ["test"]);
    Ok(ours.filter_map(|message| Some((message.target.name, message.executable?))).collect())
}
