//! What a check found.

use std::path::Path;

use serde::Serialize;

use crate::config::Problem;

/// How grave it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Level {
    /// As it should be.
    Ok,
    /// It runs, with less than it could, or with a risk.
    Warn,
    /// It will not run.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) level: Level,
    /// What was looked at: `kernel`, `eth1`, `configuration` …
    pub(crate) subject: String,
    /// What was found.
    pub(crate) found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advice: Option<String>,
}

impl Finding {
    pub(crate) fn ok(subject: &str, found: impl Into<String>) -> Self {
        Self { level: Level::Ok, subject: subject.to_owned(), found: found.into(), advice: None }
    }

    pub(crate) fn warn(subject: &str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Warn, advice: Some(advice.into()), ..Self::ok(subject, found) }
    }

    pub(crate) fn fail(subject: &str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Fail, ..Self::warn(subject, found, advice) }
    }

    /// One line, and a second one that says what to do.
    pub(crate) fn render(&self) -> String {
        let level = match self.level {
            Level::Ok => "ok  ",
            Level::Warn => "warn",
            Level::Fail => "FAIL",
        };
        let advice = self.advice.as_ref().map_or(String::new(), |advice| format!("{:20}→ {advice}\n", ""));
        format!("{level}  {:<13} {}\n{advice}", self.subject, self.found)
    }
}

/// A mistake in the configuration as a finding, for `--json`.
pub(super) fn mistake(file: &Path, Problem { line, key, found, would_do }: &Problem) -> Finding {
    Finding::fail(
        &format!("{}:{line}", file.display()),
        format!("{key}: found {found}"),
        format!("would do: {would_do}"),
    )
}
