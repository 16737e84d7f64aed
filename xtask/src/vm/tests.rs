//! Test binaries in the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{Options, machine};
use crate::build;
use crate::test::binaries;
use xtask::cargo::workspace;

/// Every program by the verifier, the packet tables, on a wire in native and in generic mode too; a subscriber's whole life;
/// associations of SCTP that move, which the host's kernel may not have; and three members, whose streams run over some, of which
/// the master dies.
pub(super) const DEFAULT: [&str; 4] =
    ["packets", "login=at_the_embedded_server", "sctp", "cluster_takeover=the_master_dies_under"];
/// From the decision to boot until the first test, on a host that has nothing else to do.
const BOOT: Duration = Duration::from_secs(10);
/// Seconds that one binary's tests may take.
const LIMIT: u32 = 900;
/// So many times longer than on the host everything may take (`tests/src/wait.rs`).
const PATIENCE: u32 = 5;

/// Builds on the host, then runs one binary after the other in one machine. A name is `binary` or `binary=part of names`.
pub(super) fn run(options: &Options, names: &[String]) -> Result<()> {
    build::object(false)?;
    let wanted: Vec<_> = names.iter().map(|name| name.split_once('=').unwrap_or((name, ""))).collect();
    let binaries = compile(&wanted.iter().map(|(name, _)| *name).collect())?;
    let machine = machine(options)?;
    let start = Instant::now();
    let runs = wanted.iter().map(|(name, filter)| {
        let binary = binaries.get(*name).with_context(|| format!("cargo built no test {name}"))?;
        Ok((*name, binary.as_path(), *filter))
    });
    let script = script(&runs.collect::<Result<Vec<_>>>()?);
    let command = ["sh", "-c", &script].map(str::to_owned);
    let ended = machine.run(&workspace().join("tests"), &command)?;
    let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    let boot = ended.boot.map_or("never".to_owned(), seconds);
    println!("== vm: from the decision to boot to the first test {boot} (at most {} wanted)", seconds(BOOT));
    println!("== vm: {} runs of tests in {}", names.len(), seconds(start.elapsed()));
    if ended.status != 0 {
        bail!("tests failed in the machine");
    }
    Ok(())
}

/// The setting that makes what `tests` has as patient as the machine is slow.
pub(super) fn patience() -> String {
    format!("GATEWAY_TEST_PATIENCE={PATIENCE}")
}

/// Runs one binary after the other, each with a part of its tests' names, and says what failed and how long each took.
fn script(runs: &[(&str, &Path, &str)]) -> String {
    let mut script = format!(
        "echo \"$(uname -sr), $(cut -d' ' -f1 /proc/uptime) s after its start\"; failed=\n\
        now() {{ cut -d. -f1 /proc/uptime; }}\n\
        export {} RUST_BACKTRACE=0 RUSTC_BOOTSTRAP=1\n",
        patience()
    );
    for (name, binary, filter) in runs {
        // One after the other: what waits for packets has timeouts of a host that is not emulated.
        // What the host's kernel lacks is ignored there; this one has it. Only with RUSTC_BOOTSTRAP are tests timed. What they
        // print is what they have measured.
        let run = format!(
            "'{}' --test-threads=1 --include-ignored --show-output -Z unstable-options --report-time {filter}",
            binary.display()
        );
        // A filter that finds nothing is a mistake, not a success.
        script += &format!(
            "began=$(now); {run} --list | grep -q ': test$' && timeout -k 10 {LIMIT} {run} || failed=\"$failed {name}\"\n\
             echo \"== {name}: $(($(now) - began)) s\"\n"
        );
    }
    script + "[ -z \"$failed\" ] || { echo \"failed:$failed\"; exit 1; }\n"
}

/// The test binaries of `tests/` with these names, by name, and the `gateway` binary, compiled with what `cargo xtask test`
/// compiles them with: what that has left is used, and the other way round.
fn compile(names: &BTreeSet<&str>) -> Result<BTreeMap<String, PathBuf>> {
    // For the binary's own tests the binary is made, and with the features that it has there: `cargo build` would compile half
    // of what it stands on once more.
    let targets: Vec<_> = ["--test", "cli"].into_iter().chain(names.iter().flat_map(|name| ["--test", name])).collect();
    let ours = workspace().join("tests");
    let found =
        binaries::compile(targets)?.into_iter().filter(|binary| binary.is_integration && binary.directory == ours);
    Ok(found.map(|binary| (binary.name, binary.executable)).collect())
}

#[cfg(test)]
mod unit {
    use std::process::Command;

    use super::*;

    /// A binary that fails does not keep the next from running, and one without the tests that are asked for has failed.
    #[test]
    fn what_failed_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let binary = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\ncase \"$*\" in *--list*) {text}\n")).unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
            path
        };
        let good = binary("good", "echo 'a: test';; *) echo ran $*;; esac");
        let bad = binary("bad", "echo 'a: test';; *) exit 101;; esac");
        let none = binary("none", "echo '0 tests';; *) echo ran;; esac");
        let told = |runs: &[(&str, &Path, &str)]| {
            let output = Command::new("sh").args(["-c", &script(runs)]).output().unwrap();
            (output.status.code(), String::from_utf8(output.stdout).unwrap())
        };
        let (status, text) = told(&[("bad", &bad, ""), ("none", &none, ""), ("good", &good, "part")]);
        assert_eq!(status, Some(1));
        assert!(text.contains("report-time part\n") && text.ends_with("failed: bad none\n"), "{text}");
        let (status, text) = told(&[("good", &good, "")]);
        assert_eq!(status, Some(0));
        assert!(text.contains("== good: 0 s\n"), "{text}");
    }
}
