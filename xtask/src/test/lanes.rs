//! Running test binaries: those with labs wait for packets and timers most of the time, so all else runs beside them, each lane
//! one binary after the other.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};

use super::binaries::Binary;

/// The priority of what can wait.
const NICE: i32 = 10;

/// What became of tests.
#[derive(Default, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// So many are well.
    pub(super) passed: usize,
    /// These are not.
    pub(super) failed: Vec<String>,
}

/// A binary, or something else that takes its time.
pub(super) enum Work<'a> {
    Tests(Binary),
    Step(&'static str, Box<dyn FnOnce() -> Result<()> + Send + 'a>),
}

/// Two lanes, each in a thread of its own. The `others` have only what time the `labs` leave, whose timers are those of real
/// hosts. What a binary prints is shown when it has ended, so that nothing is mixed.
pub(super) fn run(labs: Vec<Work<'_>>, others: Vec<Work<'_>>, filter: Option<&str>) -> Outcome {
    let outcome = Mutex::new(Outcome::default());
    thread::scope(|scope| {
        for (lane, nice) in [(labs, 0), (others, NICE)] {
            let outcome = &outcome;
            scope.spawn(move || {
                if nice > 0 {
                    step_back(nice);
                }
                for work in lane {
                    let (what, result) = work.run(filter);
                    let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
                    match result {
                        Ok(part) => {
                            outcome.passed += part.passed;
                            outcome.failed.extend(part.failed);
                        }
                        Err(error) => {
                            println!("== {what}: {error:#}");
                            outcome.failed.push(what);
                        }
                    }
                }
            });
        }
    });
    outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Lowers the priority of this thread, and of the processes that it begins.
fn step_back(nice: i32) {
    // SAFETY: no memory is involved. A refusal leaves the priority as it is.
    unsafe { nix::libc::setpriority(nix::libc::PRIO_PROCESS, 0, nice) };
}

impl Work<'_> {
    fn run(self, filter: Option<&str>) -> (String, Result<Outcome>) {
        match self {
            Self::Tests(binary) => (binary.title(), tests(&binary, filter)),
            Self::Step(name, step) => {
                println!("== {name}");
                (name.to_owned(), step().map(|()| Outcome::default()))
            }
        }
    }
}

fn tests(binary: &Binary, filter: Option<&str>) -> Result<Outcome> {
    let began = Instant::now();
    let mut printed = tempfile::tempfile().context("a file for what tests print")?;
    let both = |file: &File| file.try_clone().context("a file for what tests print");
    let mut command = binary.command();
    command.args(filter).stdout(both(&printed)?).stderr(both(&printed)?);
    let status = command.status().with_context(|| format!("could not start {}", binary.executable.display()))?;
    let mut text = Vec::new();
    printed.rewind()?;
    printed.read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let outcome = judge(&binary.title(), &text, status);
    // With a filter, most binaries have nothing to say.
    if filter.is_none() || outcome != Outcome::default() {
        println!("== {} ({:.1} s)\n{}", binary.title(), began.elapsed().as_secs_f64(), text.trim());
    }
    Ok(outcome)
}

/// What the lines of the harness, and its end, say.
fn judge(title: &str, text: &str, status: ExitStatus) -> Outcome {
    let mut outcome = Outcome::default();
    for text in text.lines() {
        match text.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... ")) {
            Some((_, "ok")) => outcome.passed += 1,
            Some((name, "FAILED")) => outcome.failed.push(format!("{title}: {name}")),
            _ => {}
        }
    }
    if !status.success() && outcome.failed.is_empty() {
        outcome.failed.push(format!("{title}: {status}"));
    }
    outcome
}

#[cfg(test)]
mod unit {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn outcomes() {
        let text = "\nrunning 3 tests\ntest a ... ok\ntest b::c ... FAILED\ntest d ... ignored, no SCTP here\n";
        let of = |text, code| judge("tests/x", text, ExitStatus::from_raw(code));
        assert_eq!(of(text, 101 << 8), Outcome { passed: 1, failed: vec!["tests/x: b::c".to_owned()] });
        assert_eq!(of("test a ... ok", 0), Outcome { passed: 1, failed: Vec::new() });
        // One that dies says nothing.
        assert_eq!(of("test a ... ok", 9).failed, ["tests/x: signal: 9 (SIGKILL)"]);
    }

    /// What fails in one lane keeps nothing else from running.
    #[test]
    fn every_lane_runs_to_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let binary = |name: &str, script: &str| {
            let executable = directory.path().join(name);
            std::fs::write(&executable, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&executable, PermissionsExt::from_mode(0o755)).unwrap();
            let directory = directory.path().to_owned();
            Work::Tests(Binary { name: name.to_owned(), is_integration: true, directory, executable })
        };
        let labs = vec![binary("dies", "exit 3"), binary("well", "echo 'test a ... ok'")];
        let others = vec![
            Work::Step("never well", Box::new(|| anyhow::bail!("no"))),
            binary("filtered", "echo \"test $1 ... ok\""),
        ];
        let outcome = run(labs, others, Some("part"));
        assert_eq!(outcome.passed, 2);
        assert_eq!(outcome.failed.len(), 2, "{outcome:?}");
        assert!(outcome.failed.iter().any(|name| name == "never well"), "{outcome:?}");
    }
}
