//! `cargo xtask bench logout`: what the end of a line card's logins costs, step by step and as a whole.

mod caches;
mod memory;
mod plane;
mod six;
mod steps;
mod whole;
mod world;

use anyhow::Result;

use super::report::{Report, Row};

/// What a million sessions may cost over a thousand, in every step.
const FLAT: f64 = 2.0;
/// Octets of the session table for a session.
const MEMORY: f64 = 512.0;
/// One request and one reply.
const MESSAGES: f64 = 2.0;

/// Options of `bench logout`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// How often each step is measured.
    #[arg(long, default_value_t = 9)]
    repetitions: usize,
    /// Sessions of the whole releases, which are measured once.
    #[arg(long, default_value_t = 100_000)]
    sessions: u32,
    /// DHCPv6: whole releases of so many clients with an address and a prefix each, by one message, by RELEASE-REQUESTs, and
    /// one by one.
    #[arg(long)]
    v6: bool,
    /// Measure only these parts.
    #[arg(long = "part", value_enum)]
    parts: Vec<Part>,
}

/// What can be measured by itself.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// A session's place in the session table.
    Memory,
    /// Session table and server.
    Steps,
    /// The write that cuts an FPC off, and the maps' memory.
    Plane,
    /// Whole releases, and the daemon's memory.
    Whole,
}

impl Options {
    fn wants(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }
}

/// Measure, print, and fail where a limit does not hold.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.v6 {
        return six::run(options);
    }
    let mut report = Report::new("logout", options.repetitions);
    if options.wants(Part::Memory) {
        memory::measure(&mut report)?;
    }
    if options.wants(Part::Steps) {
        steps::measure(&mut report)?;
    }
    if options.wants(Part::Plane) {
        plane::measure(&mut report)?;
    }
    if options.wants(Part::Whole) {
        whole::measure(&mut report, options.sessions)?;
    }
    report.print(options.json)?;
    let rule = format!(
        "a million sessions within {FLAT} of a thousand in every step, {MESSAGES} messages, {MEMORY} bytes of table a session"
    );
    report.hold(holds, &rule)
}

fn holds(row: &Row) -> bool {
    let name = row.name.as_str();
    let individual = name.contains("kea-individual");
    if name == "logout/memory/session-table" {
        row.max <= MEMORY
    } else if name.contains("/messages") && !individual {
        (row.min, row.max) == (MESSAGES, MESSAGES)
    } else {
        !name.ends_with("/1000000") || row.ratio.is_none_or(|ratio| ratio <= FLAT)
    }
}
