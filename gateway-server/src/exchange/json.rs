//! Our own rows: an array of objects, or objects one after the other.

use serde_json::error::Category;
use serde_json::{Deserializer, Value};

use super::{Problem, Read, Row};

/// What begins the array.
pub const BEGIN: &str = "[";
/// What ends it.
pub const END: &str = "\n]\n";

/// A row of the array.
pub fn line(row: &Row, is_first: bool) -> String {
    // Text and numbers only: it can't fail.
    let text = serde_json::to_string(row).unwrap_or_default();
    format!("{}\n{text}", if is_first { "" } else { "," })
}

/// Object by object, so that what is before a cut is taken.
pub(super) fn read(octets: &[u8]) -> Result<Read, Problem> {
    let mut read = Read::default();
    let mut at = Place { octets, at: 0, line: 1 };
    let is_array = at.skip(|octet| octet.is_ascii_whitespace()) == Some(b'[');
    if at.rest().first().is_some_and(|octet| !matches!(octet, b'[' | b'{')) {
        return Err(Problem { line: at.line, what: "it is neither an array nor an object of JSON".to_owned() });
    }
    if is_array {
        at.advance(1);
    }
    loop {
        match at.skip(|octet| octet.is_ascii_whitespace() || octet == b',') {
            Some(b']') if is_array => return Ok(read),
            Some(_) => {}
            None if is_array => {
                read.cut = Some(Problem { line: at.line, what: "the file ends before its array does".to_owned() });
                return Ok(read);
            }
            None => return Ok(read),
        }
        let line = at.line;
        let mut values = Deserializer::from_slice(at.rest()).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) => {
                let row = serde_json::from_value::<Row>(value).map_err(|error| error.to_string());
                match row.and_then(|row| row.lease()) {
                    Ok(lease) => read.leases.push((line, lease)),
                    Err(what) => read.problem(line, what),
                }
                let length = values.byte_offset();
                at.advance(length.max(1));
            }
            Some(Err(error)) if error.classify() == Category::Eof => {
                read.cut = Some(Problem { line, what: "the file ends within this lease".to_owned() });
                return Ok(read);
            }
            // Where the next one begins can't be known.
            error => {
                let why = error.and_then(Result::err).map_or(String::new(), |error| format!(": {error}"));
                read.problem(line, format!("it is no JSON, and nothing behind it is read{why}"));
                return Ok(read);
            }
        }
    }
}

struct Place<'o> {
    octets: &'o [u8],
    at: usize,
    line: u64,
}

impl<'o> Place<'o> {
    fn rest(&self) -> &'o [u8] {
        self.octets.get(self.at..).unwrap_or_default()
    }

    fn advance(&mut self, count: usize) {
        let passed = &self.rest()[..count.min(self.rest().len())];
        self.line += passed.iter().filter(|octet| **octet == b'\n').count() as u64;
        self.at += passed.len();
    }

    /// Goes on while it is so; what is there then.
    fn skip(&mut self, is: impl Fn(u8) -> bool) -> Option<u8> {
        let count = self.rest().iter().take_while(|octet| is(**octet)).count();
        self.advance(count);
        self.rest().first().copied()
    }
}
