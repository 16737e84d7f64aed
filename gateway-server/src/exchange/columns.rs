//! Lines of fields between commas, whose meaning the first line says.

use std::collections::HashMap;

use ::csv::{ByteRecord, ReaderBuilder};

use super::{Problem, Read};

/// A table, line by line.
pub(super) struct Columns<'o> {
    reader: ::csv::Reader<&'o [u8]>,
    names: HashMap<String, usize>,
    record: ByteRecord,
    cut: Option<Problem>,
}

impl<'o> Columns<'o> {
    /// A table with these columns at least. A last line without its end is not part of it: what of it is missing can't be
    /// known.
    pub(super) fn new(octets: &'o [u8], quoting: bool, needed: &[&str]) -> Result<Self, Problem> {
        let whole = octets.iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
        let (octets, rest) = octets.split_at(whole);
        let line = 1 + octets.iter().filter(|octet| **octet == b'\n').count() as u64;
        let what = || format!("the file ends within this line: \"{}\"", shown(rest));
        let cut = (!rest.is_empty()).then(|| Problem { line, what: what() });
        let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).quoting(quoting).from_reader(octets);
        let mut record = ByteRecord::new();
        let heading = reader.read_byte_record(&mut record).unwrap_or(false);
        let name = |(index, field): (usize, &[u8])| (String::from_utf8_lossy(field).trim().to_owned(), index);
        let names: HashMap<String, usize> = record.iter().enumerate().map(|(i, field)| name((i, field))).collect();
        if !heading || needed.iter().any(|needed| !names.contains_key(*needed)) {
            let what = format!("it is no heading with the columns {}", needed.join(", "));
            return Err(Problem { line: 1, what });
        }
        Ok(Self { reader, names, record, cut })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// Takes every line in.
    pub(super) fn read<T>(
        mut self,
        mut line: impl FnMut(&Line<'_>) -> Result<T, String>,
        mut take: impl FnMut(&mut Read, u64, T),
    ) -> Read {
        let mut read = Read { cut: self.cut.take(), ..Read::default() };
        loop {
            match self.reader.read_byte_record(&mut self.record) {
                Ok(true) => {}
                Ok(false) => return read,
                // Reading from memory fails only by what is read.
                Err(error) => {
                    read.problem(self.reader.position().line(), error);
                    return read;
                }
            }
            let number = self.record.position().map_or(0, ::csv::Position::line);
            let fields = Line { names: &self.names, record: &self.record };
            let complete = if self.record.len() < self.names.len() {
                Err(format!("it has {} fields where the heading has {}", self.record.len(), self.names.len()))
            } else {
                line(&fields)
            };
            match complete {
                Ok(lease) => take(&mut read, number, lease),
                Err(what) => read.problem(number, what),
            }
        }
    }
}

/// One line.
pub(super) struct Line<'r> {
    names: &'r HashMap<String, usize>,
    record: &'r ByteRecord,
}

impl Line<'_> {
    /// A field; `None` where there is none, or it is empty.
    pub(super) fn field(&self, name: &str) -> Result<Option<&str>, String> {
        let Some(octets) = self.names.get(name).and_then(|index| self.record.get(*index)) else { return Ok(None) };
        let text = core::str::from_utf8(octets).map_err(|_| format!("{name} is no text: \"{}\"", shown(octets)))?;
        Ok((!text.is_empty()).then_some(text))
    }

    /// A field that has to be there.
    pub(super) fn needed(&self, name: &str) -> Result<&str, String> {
        self.field(name)?.ok_or_else(|| format!("there is no {name}"))
    }

    /// A number that has to be there.
    pub(super) fn number<T: core::str::FromStr>(&self, name: &str) -> Result<T, String> {
        let text = self.needed(name)?;
        text.parse().map_err(|_| format!("{name} is no number that fits: \"{}\"", text.escape_debug()))
    }
}

/// The beginning of some octets, for people.
pub(super) fn shown(octets: &[u8]) -> String {
    let more = if octets.len() > 60 { "…" } else { "" };
    format!("{}{more}", octets[..octets.len().min(60)].escape_ascii())
}
