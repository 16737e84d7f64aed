//! A lab that stays, by its commands.

use anyhow::{Context, Result, ensure};
use gateway_tests::{process, wait};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);

/// `cargo xtask lab` with a record of its own: whoever has a lab keeps it.
struct Lab {
    target: TempDir,
}

impl Lab {
    fn try_run(&self, arguments: &[&str]) -> Result<(Option<i32>, String, String)> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
        command.arg("lab").args(arguments).env("CARGO_TARGET_DIR", self.target.path());
        let (status, text, errors) = process::finish(&mut command, LIMIT)?;
        Ok((status.code(), text, errors))
    }

    fn run(&self, arguments: &[&str]) -> Result<String> {
        let (status, text, errors) = self.try_run(arguments)?;
        ensure!(status == Some(0), "lab {arguments:?}: {status:?}\n{text}{errors}");
        Ok(text)
    }

    /// Why it was not done.
    fn refused(&self, arguments: &[&str]) -> Result<String> {
        let (status, text, errors) = self.try_run(arguments)?;
        ensure!(status == Some(1) && text.is_empty(), "lab {arguments:?}: {status:?}\n{text}{errors}");
        Ok(errors)
    }

    fn gateway(&self, arguments: &[&str]) -> Result<Value> {
        Ok(serde_json::from_str(&self.run(&[&["exec", "gw", "gateway"], arguments, &["--json"]].concat())?)?)
    }

    fn wait_sessions(&self, count: u64) -> Result<()> {
        wait::until_true(&format!("{count} sessions"), LIMIT, || {
            self.gateway(&["status"]).is_ok_and(|status| status["sessions"] == count)
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.target.path().join("lab.json").exists() {
            let _ = self.try_run(&["down"]);
        }
    }
}

/// Whether this process runs: one that has ended has no command line, whoever is to hear of its end.
fn runs(pid: &str) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

/// What `lab up` says to try works as it is written there: a subscriber logs in and reaches the internet, its line card
/// restarts, and it is logged out. What can't be done is refused with what would do, and `lab down` leaves nothing.
#[test]
fn commands() -> Result<()> {
    let lab = Lab { target: tempfile::Builder::new().prefix("gwlab-target").tempdir()? };
    assert!(lab.refused(&["status"])?.contains("`cargo xtask lab up` makes one"));
    let told = lab.run(&["up"])?;
    assert!(lab.refused(&["up"])?.contains("`cargo xtask lab down` removes it"));

    let status = lab.run(&["status"])?;
    let files = status.lines().next().context("nothing is told")?;
    assert!(told.contains(files), "{told}\n{status}");
    let spaces: Vec<_> = status.lines().filter_map(|line| line.split_once(" (namespace ")).collect();
    let roles: Vec<_> = spaces.iter().map(|(role, _)| *role).collect();
    for role in ["gw", "core", "srv0", "sub0", "sub1"] {
        assert!(roles.contains(&role), "{role}: {status}");
    }
    for program in ["gateway run --config", "gateway server --config"] {
        assert!(status.contains(program), "{program}: {status}");
    }

    let suggested: Vec<Vec<&str>> = told
        .lines()
        .filter_map(|line| line.strip_prefix("  cargo xtask lab "))
        .map(|line| line.split_whitespace().collect())
        .collect();
    let [login, ping, top, flap] = &suggested[..] else { anyhow::bail!("other suggestions: {told}") };
    lab.run(login)?;
    lab.wait_sessions(1)?;
    wait::until_true("three answers to three pings", LIMIT, || {
        lab.run(ping).is_ok_and(|answers| answers.contains(" 0% packet loss"))
    })?;
    assert!(lab.refused(top)?.contains("top needs a terminal"));
    lab.run(flap)?;
    lab.wait_sessions(0)?;
    let release = wait::until("the end of its release", LIMIT, || {
        lab.gateway(&["releases"])
            .ok()
            .map(|mut releases| releases[0].take())
            .filter(|release| !release["took"].is_null())
    })?;
    assert_eq!((&release["fpc"], release["single_logouts"].as_u64()), (&"fpc0".into(), Some(1)), "{release:#}");

    assert_eq!(lab.try_run(&["exec", "sub1", "sh", "-c", "exit 7"])?.0, Some(7));
    assert!(lab.refused(&["exec", "nowhere", "true"])?.contains("no namespace \"nowhere\"; there are gw, "));
    assert!(lab.refused(&["flap", "2"])?.contains("no FPC 2: the lab has 0 to 1"));

    let directory = Path::new(files.strip_prefix("files and logs are in ").context("no directory")?);
    let names: Vec<_> =
        spaces.iter().map(|(_, name)| Path::new("/run/netns").join(name.trim_end_matches(')'))).collect();
    let programs: Vec<&str> = status.lines().filter_map(|line| Some(line.trim().split_once(": ")?.0)).collect();
    assert!(programs.len() >= 2 && programs.iter().all(|pid| runs(pid)), "{status}");
    assert!(directory.exists() && names.iter().all(|name| name.exists()), "{status}");
    lab.run(&["down"])?;
    assert!(lab.refused(&["down"])?.contains("there is no lab to take down"));
    assert!(!programs.iter().any(|pid| runs(pid)), "{status}");
    assert!(!directory.exists() && !names.iter().any(|name| name.exists()), "{status}");
    Ok(())
}
