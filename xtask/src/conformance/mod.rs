//! `cargo xtask conformance`: which test proves which requirement.
//!
//! A test proves a requirement when the doc comment directly above its `#[test]` names it (`BR-15`, `H-BR-6`).
//! The requirements are a table here; what a test names must be in it, and what is in it must be named by a test,
//! or say why it does not apply.

mod associations;
mod cluster;
mod release;
mod requirements;
mod sources;
mod subnets;

use anyhow::{Result, bail};
use requirements::{Requirement, TABLES};
use serde::Serialize;
use std::collections::BTreeMap;

/// Options of `cargo xtask conformance`.
#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// Print a JSON array of `{"requirement", "level", "tests", "reason"}`.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row<'a> {
    requirement: &'static str,
    level: &'static str,
    tests: &'a [String],
    reason: Option<&'static str>,
}

/// Print the table. An error lists requirements without a test, and tests that name what is no requirement.
pub(crate) fn run(options: &Options) -> Result<()> {
    let proofs = sources::proofs(xtask::cargo::workspace())?;
    let requirements: Vec<_> = TABLES.iter().copied().flatten().collect();
    if options.json {
        let rows: Vec<_> = requirements.iter().map(|requirement| row(requirement, &proofs)).collect();
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        for requirement in &requirements {
            print(requirement, row(requirement, &proofs).tests);
        }
    }
    judge(&requirements, &proofs)?;
    if !options.json {
        println!("all {} requirements are covered", requirements.len());
    }
    Ok(())
}

/// The same, without the table.
pub(crate) fn verify() -> Result<()> {
    let requirements: Vec<_> = TABLES.iter().copied().flatten().collect();
    judge(&requirements, &sources::proofs(xtask::cargo::workspace())?)
}

fn judge(requirements: &[&Requirement], proofs: &BTreeMap<String, Vec<String>>) -> Result<()> {
    let mistakes = mistakes(requirements, proofs);
    if !mistakes.is_empty() {
        bail!("{} mistakes\n  {}", mistakes.len(), mistakes.join("\n  "));
    }
    Ok(())
}

fn row<'a>(requirement: &Requirement, proofs: &'a BTreeMap<String, Vec<String>>) -> Row<'a> {
    let tests = proofs.get(requirement.id).map_or(&[][..], Vec::as_slice);
    Row { requirement: requirement.id, level: requirement.level.name(), tests, reason: requirement.reason }
}

fn print(requirement: &Requirement, tests: &[String]) {
    let proof = match (tests, requirement.reason) {
        ([], Some(reason)) => format!("does not apply: {reason}"),
        ([], None) => "NOT COVERED".to_owned(),
        ([one], _) => one.clone(),
        ([first, rest @ ..], _) => format!("{first} and {} more", rest.len()),
    };
    println!("{:<8} {:<11} {}", requirement.id, requirement.level.name(), requirement.text);
    println!("{:20} {proof}", "");
}

fn mistakes(requirements: &[&Requirement], proofs: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let uncovered = requirements.iter().filter(|requirement| {
        requirement.reason.is_none() && proofs.get(requirement.id).is_none_or(|tests| tests.is_empty())
    });
    let uncovered = uncovered.map(|requirement| format!("{} has no test: {}", requirement.id, requirement.text));
    let twice = requirements.iter().filter(|requirement| requirement.reason.is_some());
    let twice = twice.filter_map(|requirement| {
        let tests = proofs.get(requirement.id).filter(|tests| !tests.is_empty())?;
        Some(format!("{} does not apply, but is named by {}", requirement.id, tests.join(", ")))
    });
    let unknown = proofs.iter().filter(|(id, _)| !requirements.iter().any(|requirement| requirement.id == **id));
    let unknown = unknown.map(|(id, tests)| format!("{id} is named by {} but is no requirement", tests.join(", ")));
    uncovered.chain(twice).chain(unknown).collect()
}

#[cfg(test)]
mod tests {
    use super::requirements::{Level, Requirement};
    use std::collections::BTreeMap;

    /// A requirement without a test and a test without a requirement are both mistakes; one with a reason instead is none, one with
    /// both is.
    #[test]
    fn gaps_are_mistakes() {
        let requirement = |id, reason| Requirement { id, level: Level::Must, text: "text", reason };
        let (plain, excused) = (requirement("BR-1", None), requirement("BR-2", Some("not here")));
        let both = requirement("BR-3", Some("not here"));
        let proofs = ["BR-3", "BR-9"].map(|id| (id.to_owned(), vec!["a::b".to_owned()]));
        let found = super::mistakes(&[&plain, &excused, &both], &BTreeMap::from(proofs));
        assert_eq!(
            found,
            [
                "BR-1 has no test: text",
                "BR-3 does not apply, but is named by a::b",
                "BR-9 is named by a::b but is no requirement"
            ]
        );
    }

    /// The ids of the table are in order and unique.
    #[test]
    fn ids_are_unique() {
        let ids: Vec<_> = super::TABLES.iter().copied().flatten().map(|requirement| requirement.id).collect();
        let unique: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len());
        assert_eq!(ids.iter().filter(|id| id.starts_with("BR-")).count(), 35);
        assert_eq!(ids.iter().filter(|id| id.starts_with("H-BR-")).count(), 25);
    }
}
