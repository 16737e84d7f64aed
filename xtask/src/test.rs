//! `cargo xtask test [filter]`: everything that can be wrong, in one command.

use crate::{build, conformance, setup, vm};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Instant;
use xtask::cargo::{cargo, check, line};

/// Options of `cargo xtask test`.
#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// Run only the tests whose name contains this. Format, lints and conformance are then left out.
    filter: Option<String>,
}

/// Set up, build, check format, lints and conformance, then run the tests.
///
/// A later step runs also when an earlier one has failed, so that one run shows all that is wrong.
pub(crate) fn run(options: &Options) -> Result<()> {
    let start = Instant::now();
    setup::ensure_all()?;
    // `cargo test` compiles the binary itself, with the features that all crates together ask for; compiling it alone
    // before would compile half its dependencies twice.
    step("build", || build::object(false))?;
    let mut failed = Vec::new();
    if options.filter.is_none() {
        let mut note = |name, work: &dyn Fn() -> Result<()>| {
            if let Err(error) = step(name, work) {
                println!("== {name}: {error:#}");
                failed.push(name.to_owned());
            }
        };
        note("format", &|| check(&mut cargo(["fmt", "--all", "--check"])));
        // The eBPF crate too: it compiles for the host, where the same lints apply to it.
        note("lints", &|| {
            check(&mut cargo([
                "clippy",
                "--workspace",
                "--all-targets",
                "--all-features",
                "--quiet",
                "--",
                "-D",
                "warnings",
            ]))
        });
        note("conformance", &conformance::verify);
    }
    println!("== tests");
    let tests = tests(options)?;
    failed.extend(tests.failed);
    if options.filter.is_none()
        && let Err(error) = step("another kernel", vm::verify)
    {
        println!("== another kernel: {error:#}");
        failed.push("another kernel".to_owned());
    }
    let (passed, minutes) = (tests.passed, start.elapsed().as_secs_f64() / 60.0);
    if !failed.is_empty() {
        bail!("{} failed, {passed} tests passed, in {minutes:.1} minutes:\n  {}", failed.len(), failed.join("\n  "));
    }
    println!("== all is well: {passed} tests passed in {minutes:.1} minutes");
    Ok(())
}

fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("== {name}");
    work()
}

struct Outcome {
    passed: usize,
    failed: Vec<String>,
}

/// All tests of all crates in one `cargo test`, its lines passed on and counted.
fn tests(options: &Options) -> Result<Outcome> {
    let mut command = cargo(["test", "--workspace", "--features", "gateway-tests/kernel", "--no-fail-fast"]);
    command.args(&options.filter).stdout(Stdio::piped());
    // A test that fails says why; where in the harness it was called is of no help.
    command.env("RUST_BACKTRACE", "0");
    let mut child = command.spawn().with_context(|| format!("could not start: {}", line(&command)))?;
    let mut outcome = Outcome { passed: 0, failed: Vec::new() };
    for text in BufReader::new(child.stdout.take().context("no output")?).lines() {
        let text = text?;
        println!("{text}");
        match text.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... ")) {
            Some((_, "ok")) => outcome.passed += 1,
            Some((name, "FAILED")) => outcome.failed.push(name.to_owned()),
            _ => {}
        }
    }
    if !child.wait()?.success() && outcome.failed.is_empty() {
        outcome.failed.push(line(&command));
    }
    Ok(outcome)
}
