//! Leases of files into the store.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use gateway_server::LEASES;
use gateway_server::exchange::{self, Import, Lease, Report};
use gateway_server::{Config, Place, clock};
use gateway_store::{Change, Durability, Store};
use serde::Serialize;

use super::Of;
use crate::cli::out;
use crate::cli::text::{count, counted};

/// The exit status when some of a file could not be read.
const PARTIAL: u8 = 3;
/// Notes and problems that are printed.
const SHOWN: usize = 20;
/// Records written at once.
const BATCH: usize = 10_000;

/// What an import was told and what became of it.
#[derive(Serialize)]
struct Told<'t> {
    #[serde(flatten)]
    report: &'t Report,
    /// Whether all files were read to their end.
    whole: bool,
    dry_run: bool,
    /// Lines that can't be read, and where a file was cut.
    problems: &'t [String],
}

/// Takes over what these files have.
pub(super) fn run(
    config: &Config,
    files: &[PathBuf],
    format: Of,
    dry_run: bool,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let format = match format {
        Of::Isc => exchange::Format::Isc,
        Of::Kea => exchange::Format::Kea,
        Of::Csv => exchange::Format::Csv,
        Of::Json => exchange::Format::Json,
    };
    let mut store = open(config, dry_run)?;
    let mut import = Import::new(config, clock::unix());
    if let Some(store) = &store {
        for record in store.records() {
            let (key, value) = record.context("read the leases")?;
            import.stored(&key, &value).map_err(|what| anyhow::anyhow!("{}: {what}", store.path().display()))?;
        }
    }
    let mut problems = Vec::new();
    for (file, path) in files.iter().enumerate() {
        let name = path.display();
        let octets = contents(path)?;
        let read = exchange::read(format, &octets).map_err(|problem| anyhow::anyhow!("{name}: {problem}"))?;
        read.leases.into_iter().for_each(|(line, lease): (u64, Lease)| import.take((file, line), lease));
        problems.extend(read.problems.iter().chain(&read.cut).map(|problem| format!("{name}: {problem}")));
    }
    let (report, written) = import.finish();
    if let Some(store) = store.as_mut().filter(|_| !dry_run) {
        // Each lease is whole by itself, and an import that was interrupted may be repeated.
        for batch in written.chunks(BATCH) {
            let changes = batch.iter().map(|(key, value)| Change { key, value: Some(value) });
            store.commit(changes, Durability::Disk)?;
        }
    }
    match as_json {
        true => out::json(&Told { report: &report, whole: problems.is_empty(), dry_run, problems: &problems }, false)?,
        false => {
            say(&problems, "problem");
            let notes: Vec<_> =
                report.notes.iter().map(|note| format!("{}: {note}", files[note.file].display())).collect();
            say(&notes, "note");
            out::print(&summary(&report, dry_run))?;
        }
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(PARTIAL) })
}

/// The store; none is made to say what would happen.
fn open(config: &Config, dry_run: bool) -> anyhow::Result<Option<Store>> {
    let directory = match &config.store {
        Place::Directory(directory) => directory,
        Place::Postgres(database) => bail!("leases can be imported into a directory, not into {database}"),
    };
    if dry_run && !directory.exists() {
        return Ok(None);
    }
    Ok(Some(Store::open(directory, LEASES).context("leases are imported while their server does not run")?))
}

fn contents(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path != Path::new("-") {
        return fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    }
    let mut octets = Vec::new();
    std::io::stdin().lock().read_to_end(&mut octets).context("cannot read standard input")?;
    Ok(octets)
}

fn say(lines: &[String], noun: &str) {
    lines.iter().take(SHOWN).for_each(|line| eprintln!("{line}"));
    if let Some(more) = lines.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        eprintln!("… and {}; --json has them", counted(more as u64, &format!("further {noun}")));
    }
}

fn summary(report: &Report, dry_run: bool) -> String {
    let (taken, would) = (counted(report.taken(), "lease"), if dry_run { "would be taken" } else { "taken" });
    let mut text = format!("{taken} of {} {would}\n", count(report.read));
    let lines = [
        (report.active, "in force"),
        (report.abandoned, "declined, kept from everybody until their time ends"),
        (report.remembered, "over, remembered for their clients"),
        (report.over, "over and not remembered: nobody's, or of a client or an address in use"),
        (report.repeated, "superseded further down in the file"),
        (report.outside, "of no pool, not taken"),
        (report.older, "not later than the store's, not taken"),
        (report.moved, "of clients that have a later one in the same subnet, not taken"),
        (report.replaced, "of the store that these have ended"),
    ];
    for (number, what) in lines.into_iter().filter(|(number, _)| *number > 0) {
        text += &format!("{:>11}  {what}\n", count(number));
    }
    text
}
