//! `cargo xtask test [filter]`: everything that can be wrong, in one command.

use crate::{build, conformance, setup, vm};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use xtask::cargo::{cargo, check, line, workspace};

/// Options of `cargo xtask test`.
#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// Run only the tests whose name contains this. Format, lints and conformance are then left out.
    filter: Option<String>,
}

/// Set up, build, check format, lints and conformance, and run the tests.
///
/// A later step runs also when an earlier one has failed, so that one run shows all that is wrong.
pub(crate) fn run(options: &Options) -> Result<()> {
    let start = Instant::now();
    setup::ensure_all()?;
    let mut steps = Steps::default();
    let is_whole = options.filter.is_none();
    if is_whole {
        steps.run("format", || check(&mut cargo(["fmt", "--all", "--check"])));
        steps.run("conformance", conformance::verify);
    }
    println!("== build");
    build::object(false)?;
    // `cargo test` compiles the binary itself, with the features that all crates together ask for; compiling it alone
    // before would compile half its dependencies twice.
    println!("== tests");
    let mut lints = None;
    let Outcome { passed, failed } = tests(options, || {
        lints = is_whole.then(begin_lints).transpose()?;
        Ok(())
    })?;
    steps.failed.extend(failed);
    if let Some(lints) = lints {
        steps.run("lints", || found(lints));
        steps.run("another kernel", vm::verify);
    }
    let (failed, minutes) = (steps.failed, start.elapsed().as_secs_f64() / 60.0);
    if !failed.is_empty() {
        bail!("{} failed, {passed} tests passed, in {minutes:.1} minutes:\n  {}", failed.len(), failed.join("\n  "));
    }
    println!("== all is well: {passed} tests passed in {minutes:.1} minutes");
    Ok(())
}

/// What is done one after the other, and what of it failed.
#[derive(Default)]
struct Steps {
    failed: Vec<String>,
}

impl Steps {
    fn run(&mut self, name: &str, work: impl FnOnce() -> Result<()>) {
        println!("== {name}");
        if let Err(error) = work() {
            println!("== {name}: {error:#}");
            self.failed.push(name.to_owned());
        }
    }
}

/// The lints, begun: of the eBPF crate too, for it compiles for the host, where the same ones apply to it.
///
/// They are a compilation of their own, minutes of a processor, while tests mostly wait. So they are only given the time that
/// nobody else wants.
fn begin_lints() -> Result<Child> {
    let mut command = Command::new("chrt");
    let clippy = cargo(["clippy", "--workspace", "--all-targets", "--all-features", "--quiet", "--", "-D", "warnings"]);
    command.args(["--idle", "0"]).arg(clippy.get_program()).args(clippy.get_args());
    command.current_dir(workspace()).envs(clippy.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().with_context(|| format!("could not start: {}", line(&command)))
}

/// Waits for the lints, and prints what they found.
fn found(lints: Child) -> Result<()> {
    let output = lints.wait_with_output()?;
    print!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("cargo clippy failed ({})", output.status);
    }
    Ok(())
}

struct Outcome {
    passed: usize,
    failed: Vec<String>,
}

/// All tests of all crates in one `cargo test`, its lines passed on and counted. `begun`: when cargo has compiled all, and lets
/// another one have the target directory.
fn tests(options: &Options, begun: impl FnOnce() -> Result<()>) -> Result<Outcome> {
    let mut command = cargo(["test", "--workspace", "--features", "gateway-tests/kernel", "--no-fail-fast"]);
    command.args(&options.filter).stdout(Stdio::piped());
    // A test that fails says why; where in the harness it was called is of no help.
    command.env("RUST_BACKTRACE", "0");
    let mut child = command.spawn().with_context(|| format!("could not start: {}", line(&command)))?;
    let mut outcome = Outcome { passed: 0, failed: Vec::new() };
    let mut begun = Some(begun);
    for text in BufReader::new(child.stdout.take().context("no output")?).lines() {
        let text = text?;
        println!("{text}");
        if let Some(begun) = begun.take_if(|_| text.starts_with("running ")) {
            begun()?;
        }
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
