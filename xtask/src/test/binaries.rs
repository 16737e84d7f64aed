//! Test binaries: what cargo compiles them to, and where each of them runs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use xtask::cargo::{cargo, line};

/// What everything is compiled with, so that one build serves all that is run.
pub(super) const WHOLE: [&str; 4] = ["--workspace", "--features", "gateway-tests/kernel,gateway-lab/kernel", "--quiet"];

/// An executable with tests.
#[derive(Debug)]
pub(crate) struct Binary {
    /// The target's: of a crate or of a file in `tests/`.
    pub(crate) name: String,
    /// It is one of a package's `tests/`, not its unit tests.
    pub(crate) is_integration: bool,
    /// The package's directory, in which it runs.
    pub(crate) directory: PathBuf,
    /// The file.
    pub(crate) executable: PathBuf,
}

impl Binary {
    /// It, to be run as cargo would. A test that fails says why; where in the harness it was called is of no help.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command.current_dir(&self.directory).env("RUST_BACKTRACE", "0");
        command
    }

    /// Its package and its name, as `tests/login`.
    pub(crate) fn title(&self) -> String {
        let package = self.directory.file_name().unwrap_or_default().to_string_lossy();
        if self.is_integration { format!("{package}/{}", self.name) } else { format!("{package}, its units") }
    }
}

/// A line of cargo's messages about something it has compiled.
#[derive(Deserialize)]
struct Message {
    manifest_path: PathBuf,
    target: Target,
    profile: Profile,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// Compiles these targets, as `--test NAME` names one, or all; in cargo's order.
pub(crate) fn compile<'a>(targets: impl IntoIterator<Item = &'a str>) -> Result<Vec<Binary>> {
    let mut command = cargo(["test", "--no-run", "--message-format", "json-render-diagnostics"]);
    let output = command.args(WHOLE).args(targets).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("failed: {}", line(&command));
    }
    Ok(binaries(&String::from_utf8(output.stdout).context("cargo's messages")?))
}

fn binaries(messages: &str) -> Vec<Binary> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    let tests = messages.filter(|message| message.profile.test);
    tests
        .filter_map(|message| {
            Some(Binary {
                name: message.target.name,
                is_integration: message.target.kind == ["test"],
                directory: message.manifest_path.parent().map(Path::to_owned)?,
                executable: message.executable?,
            })
        })
        .collect()
}

#[cfg(test)]
mod unit {
    use super::*;

    /// Binaries that are no tests, libraries, and whatever else cargo tells is left out.
    #[test]
    fn tests_are_found_among_cargos_messages() {
        let artifact = |kind: &str, name: &str, test: bool, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/w/{name}/Cargo.toml","target":{{"kind":["{kind}"],"name":"{name}"}},"profile":{{"test":{test}}},"executable":{executable}}}"#
            )
        };
        let messages = [
            artifact("lib", "core", false, "null"),
            artifact("lib", "core", true, r#""/t/core-1""#),
            artifact("bin", "gateway", false, r#""/t/gateway""#),
            artifact("test", "login", true, r#""/t/login-1""#),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ];
        let found = binaries(&messages.join("\n"));
        let titles: Vec<_> = found.iter().map(Binary::title).collect();
        assert_eq!(titles, ["core, its units", "login/login"]);
        assert_eq!(found[1].directory, Path::new("/w/login"));
        assert_eq!(found[1].executable, Path::new("/t/login-1"));
    }
}
