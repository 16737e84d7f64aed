//! Leases on their way from one server to another: files that are read, files that are written, and what of them goes
//! into a store.
//!
//! ```text
//!                                                                            ┌─isc──▶ dhcpd.leases, dhcpd6.leases
//!  dhcpd.leases ─isc─┐                                                       ├─kea──▶ lease4.csv, lease6.csv
//!  Kea's memfile ─kea┼─▶ Lease ──Import──▶ records of a store ──▶ Lease ─────┼─csv──▶ a table
//!     our own ─csv───┤        (who wins,                                     └─json─▶ rows
//!     our own ─json──┘         what is left out)
//! ```
//! Everything here is pure: octets and the time go in, leases and records come out. Times are seconds since 1970, UTC, as
//! they are in all of these files.

mod cidr;
mod columns;
pub mod csv;
mod filter;
mod import;
pub mod isc;
pub mod json;
pub mod kea;
mod lease;
mod report;
mod row;
mod tagged;
#[cfg(test)]
mod tests;
mod text;
mod tokens;

use thiserror::Error;

pub use cidr::Cidr;
pub use filter::Filter;
pub use import::{Import, Written};
pub(crate) use lease::seconds;
pub use lease::{Lease, NEVER, State, What};
pub use report::{Note, Place, Report, Why};
pub use row::Row;

/// A format that leases are read from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// ISC dhcpd's `dhcpd.leases` or `dhcpd6.leases`: `dhcpd.leases(5)`.
    Isc,
    /// A file of Kea's memfile backend, of either version of DHCP.
    Kea,
    /// What [`csv`] writes.
    Csv,
    /// What [`json`] writes.
    Json,
}

/// What a file holds.
#[derive(Clone, Default, Debug)]
pub struct Read {
    /// Each lease with the number of the line it begins at, in the order of the file. One address may be there again and
    /// again: these files are journals.
    pub leases: Vec<(u64, Lease)>,
    /// What was left out because it can't be read.
    pub problems: Vec<Problem>,
    /// The file ends within a lease, of which nothing was taken.
    pub cut: Option<Problem>,
}

impl Read {
    /// Whether all of the file was read.
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty() && self.cut.is_none()
    }

    fn problem(&mut self, line: u64, what: impl ToString) {
        self.problems.push(Problem { line, what: what.to_string() });
    }
}

/// A line that is not what it should be.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("line {line}: {what}")]
pub struct Problem {
    /// Its number; the first is 1.
    pub line: u64,
    /// What is wrong.
    pub what: String,
}

/// Reads a file.
///
/// # Errors
/// When it is of another format altogether.
pub fn read(format: Format, octets: &[u8]) -> Result<Read, Problem> {
    match format {
        Format::Isc => isc::read(octets),
        Format::Kea => kea::read(octets),
        Format::Csv => csv::read(octets),
        Format::Json => json::read(octets),
    }
}
