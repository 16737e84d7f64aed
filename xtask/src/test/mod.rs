//! `cargo xtask test [filter]`: everything that can be wrong, in one command.

pub(crate) mod binaries;
mod lanes;

use crate::{build, conformance, setup, vm};
use anyhow::{Context, Result, bail};
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use xtask::cargo::{cargo, check, line, workspace};

use binaries::{Binary, WHOLE};
use lanes::{Outcome, Work};

/// The packages whose tests lay out labs.
const LABS: [&str; 2] = ["tests", "lab"];

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
    // The `gateway` binary is compiled with them, with the features that all crates together ask for; compiling it alone
    // before would compile half its dependencies twice.
    let binaries = binaries::compile([])?;
    println!("== tests");
    let mut rest = vec![Work::Step("documentation", Box::new(|| documentation(options)))];
    if is_whole {
        let lints = begin_lints()?;
        rest.push(Work::Step("lints", Box::new(|| found(lints))));
        rest.push(Work::Step("another kernel", Box::new(vm::verify)));
    }
    let (labs, others) = lanes(binaries, rest);
    let Outcome { passed, failed } = lanes::run(labs, others, options.filter.as_deref());
    steps.failed.extend(failed);
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

/// The examples in the documentation.
fn documentation(options: &Options) -> Result<()> {
    check(cargo(["test", "--doc"]).args(WHOLE).arg("--").args(&options.filter))
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

/// What lays out labs, of which two at once would wait for each other in the kernel; and all else.
fn lanes<'a>(binaries: Vec<Binary>, rest: Vec<Work<'a>>) -> (Vec<Work<'a>>, Vec<Work<'a>>) {
    let (labs, others): (Vec<_>, Vec<_>) =
        binaries.into_iter().partition(|binary| LABS.iter().any(|labs| binary.directory.ends_with(labs)));
    (labs.into_iter().map(Work::Tests).collect(), others.into_iter().map(Work::Tests).chain(rest).collect())
}
