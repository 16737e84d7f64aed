//! Reads tables key by key and keeps every mistake, so that an operator sees them all at once.
//!
//! A [`Section`] knows which keys were asked for. When it is dropped, a key of the file that nobody asked for is a
//! mistake: an option that is accepted is an option that is read.

use std::cell::RefCell;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Problems};
use super::value::Value;

/// Where a value stands and how it reads there.
#[derive(Clone, Debug)]
pub(super) struct Place {
    offset: usize,
    key: String,
    found: String,
}

impl Place {
    /// The place of the file as a whole.
    pub(super) fn of_file(mut self) -> Self {
        self.key = "tables".to_owned();
        self.found = "a file without".to_owned();
        self
    }

    /// The place of a secret: what was found is not shown.
    pub(super) fn hidden(self) -> Self {
        self.hidden_as("a key")
    }

    /// The same, of another kind.
    pub(super) fn hidden_as(mut self, kind: &str) -> Self {
        kind.clone_into(&mut self.found);
        self
    }
}

/// A value with its place.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

pub(super) struct Reader<'a> {
    file: &'a Path,
    text: &'a str,
    problems: RefCell<Vec<Problem>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a Path, text: &'a str) -> Self {
        Self { file, text, problems: RefCell::default() }
    }

    /// The whole file as a table. `None` when it is not TOML; its syntax errors are kept, and enough to mend first.
    pub(super) fn parse(&self) -> Option<Spanned<DeTable<'a>>> {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let found = match self.text.get(span.clone()).map(str::trim) {
                Some("") | None => shorten(self.text[..span.start].lines().last().unwrap_or("")),
                Some(text) => shorten(text),
            };
            let message = error.message().replace('\n', ", ");
            self.report(span.start, "TOML", found, format!("correct TOML ({message})"));
        }
        self.problems.borrow().is_empty().then_some(document)
    }

    fn report(&self, offset: usize, key: &str, found: String, would_do: String) {
        let offset = offset.min(self.text.len());
        let line = 1 + self.text.as_bytes()[..offset].iter().filter(|octet| **octet == b'\n').count();
        self.problems.borrow_mut().push(Problem { line, key: key.to_owned(), found, would_do });
    }

    /// Keeps a mistake at a value that was read.
    pub(super) fn wrong(&self, place: &Place, would_do: impl Into<String>) {
        self.report(place.offset, &place.key, place.found.clone(), would_do.into());
    }

    /// Like [`Reader::wrong`], with words of its own for what was found.
    pub(super) fn wrong_because(&self, place: &Place, why: impl std::fmt::Display, would_do: impl Into<String>) {
        self.report(place.offset, &place.key, format!("{} {why}", place.found), would_do.into());
    }

    /// Line of a place, for a mistake that has two places.
    pub(super) fn line(&self, place: &Place) -> usize {
        1 + self.text.as_bytes()[..place.offset].iter().filter(|octet| **octet == b'\n').count()
    }

    pub(super) fn finish(self) -> Result<(), Problems> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.line);
        if problems.is_empty() { Ok(()) } else { Err(Problems { file: self.file.to_owned(), problems }) }
    }
}

/// One table of the file.
pub(super) struct Section<'r, 'a> {
    reader: &'r Reader<'a>,
    path: String,
    offset: usize,
    /// `None` when the file has no such table: every key then has its default.
    table: Option<&'r DeTable<'a>>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'r, 'a> Section<'r, 'a> {
    pub(super) fn root(reader: &'r Reader<'a>, document: &'r Spanned<DeTable<'a>>) -> Self {
        let table = Some(document.get_ref());
        Self { reader, path: String::new(), offset: 0, table, asked: RefCell::default() }
    }

    fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn raw(&self, key: &'static str) -> Option<&'r Spanned<DeValue<'a>>> {
        self.asked.borrow_mut().push(key);
        self.table?.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    pub(super) fn exists(&self) -> bool {
        self.table.is_some()
    }

    /// The place of the table itself.
    pub(super) fn place(&self) -> Place {
        Place { offset: self.offset, key: self.path.clone(), found: "this table".to_owned() }
    }

    fn place_of(&self, key: &str, value: &Spanned<DeValue<'a>>) -> Place {
        Place { offset: value.span().start, key: self.key(key), found: show(value.get_ref(), self.reader.text, value) }
    }

    /// The value of a key with a reading of its own; `None` when absent or wrong.
    pub(super) fn read<T>(
        &self,
        key: &'static str,
        would_do: &str,
        read: impl FnOnce(&DeValue<'a>) -> Option<T>,
    ) -> Option<At<T>> {
        let raw = self.raw(key)?;
        let place = self.place_of(key, raw);
        match read(raw.get_ref()) {
            Some(value) => Some(At { value, place }),
            None => {
                self.reader.wrong(&place, would_do);
                None
            }
        }
    }

    /// The value of a key that may be absent.
    pub(super) fn optional<T: Value>(&self, key: &'static str) -> Option<At<T>> {
        self.read(key, T::WOULD_DO, T::read)
    }

    /// The value of a key, or its default.
    pub(super) fn or<T: Value>(&self, key: &'static str, default: T) -> T {
        self.optional(key).map_or(default, |at| at.value)
    }

    /// The value of a key, or its default, within bounds.
    pub(super) fn within<T>(&self, key: &'static str, default: T, range: std::ops::RangeInclusive<T>) -> T
    where
        T: Value + PartialOrd + std::fmt::Display,
    {
        let would_do = format!("a number from {} to {}", range.start(), range.end());
        self.read(key, &would_do, |raw| T::read(raw).filter(|value| range.contains(value)))
            .map_or(default, |at| at.value)
    }

    /// The value of a key that must be there.
    pub(super) fn required<T: Value>(&self, key: &'static str) -> Option<At<T>> {
        self.require(key, T::WOULD_DO);
        self.optional(key)
    }

    /// Keeps a mistake when the key is absent.
    pub(super) fn require(&self, key: &'static str, would_do: &str) {
        if self.raw(key).is_none() {
            self.reader.report(self.offset, &self.key(key), "nothing".to_owned(), would_do.to_owned());
        }
    }

    /// Whether any of the keys is there.
    pub(super) fn has(&self, keys: &[&'static str]) -> bool {
        keys.iter().filter(|key| self.raw(key).is_some()).count() > 0
    }

    /// Keeps a mistake when none of the keys is there.
    pub(super) fn require_either(&self, key: &'static str, either: &[&'static str], would_do: &str) {
        if !self.has(either) {
            self.reader.report(self.offset, &self.key(key), "nothing".to_owned(), would_do.to_owned());
        }
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(&self, key: &'static str, default: T, choices: &[(&str, T)]) -> T {
        let words: Vec<_> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let would_do = match &words[..] {
            [head @ .., last] if !head.is_empty() => format!("{} or {last}", head.join(", ")),
            words => words.concat(),
        };
        let find = |raw: &DeValue<'a>| choices.iter().find(|(word, _)| raw.as_str() == Some(word)).map(|found| found.1);
        self.read(key, &would_do, find).map_or(default, |at| at.value)
    }

    /// A list, each entry with its place.
    pub(super) fn list<T: Value>(&self, key: &'static str) -> Vec<At<T>> {
        let Some(raw) = self.raw(key) else { return Vec::new() };
        let DeValue::Array(entries) = raw.get_ref() else {
            self.reader.wrong(&self.place_of(key, raw), format!("a list in brackets, each entry {}", T::WOULD_DO));
            return Vec::new();
        };
        let read = |entry: &Spanned<DeValue<'a>>| {
            let place = self.place_of(key, entry);
            let value = T::read(entry.get_ref());
            if value.is_none() {
                self.reader.wrong(&place, T::WOULD_DO);
            }
            Some(At { value: value?, place })
        };
        entries.iter().filter_map(read).collect()
    }

    fn child(&self, key: &'static str, entry: Option<&'r Spanned<DeValue<'a>>>) -> Section<'r, 'a> {
        let mut child = Section {
            reader: self.reader,
            path: self.key(key),
            offset: entry.map_or(self.offset, |entry| entry.span().start),
            table: None,
            asked: RefCell::default(),
        };
        match entry.map(Spanned::get_ref) {
            Some(DeValue::Table(table)) => child.table = Some(table),
            Some(_) => {
                let place = self.place_of(key, entry.expect("matched above"));
                self.reader.wrong(&place, format!("a table: [{}]", child.path));
            }
            None => {}
        }
        child
    }

    /// A table in this one; when the file lacks it, one without keys.
    pub(super) fn table(&self, key: &'static str) -> Section<'r, 'a> {
        self.child(key, self.raw(key))
    }

    /// The tables of an array of tables.
    pub(super) fn tables(&self, key: &'static str) -> Vec<Section<'r, 'a>> {
        let Some(raw) = self.raw(key) else { return Vec::new() };
        match raw.get_ref() {
            DeValue::Array(entries) => entries.iter().map(|entry| self.child(key, Some(entry))).collect(),
            _ => {
                let place = self.place_of(key, raw);
                self.reader.wrong(&place, format!("[[{}]] with two brackets: there may be several", self.key(key)));
                // Its keys are looked at all the same, so that one bracket too few is one mistake.
                vec![self.child(key, Some(raw))]
            }
        }
    }
}

#[cfg(test)]
thread_local! {
    /// Every key that this thread has asked for, with its tables: the example must have them all.
    pub(super) static ASKED: RefCell<std::collections::BTreeSet<String>> = RefCell::default();
}

impl Drop for Section<'_, '_> {
    fn drop(&mut self) {
        let asked = self.asked.borrow();
        #[cfg(test)]
        ASKED.with_borrow_mut(|all| all.extend(asked.iter().map(|key| self.key(key))));
        for (name, _) in self.table.into_iter().flat_map(|table| table.iter()) {
            let (key, span) = (name.get_ref(), name.span());
            if asked.iter().any(|asked| asked == key) {
                continue;
            }
            let mut known: Vec<&str> = asked.clone();
            known.sort_unstable();
            known.dedup();
            let would_do = match nearest(key, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                // Its table is a gateway's, and there is none: nobody has looked at any key.
                None if known.is_empty() => "no such table, or a [gateway] beside it".to_owned(),
                None => format!("one of {}", known.join(", ")),
            };
            self.reader.report(span.start, &self.key(key), "an unknown key".to_owned(), would_do);
        }
    }
}

/// The known key that is most like `key`, if any is alike at all.
fn nearest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    let likeness = |known: &&&str| (strsim::jaro_winkler(key, known) * 1000.0) as u32;
    known.iter().filter(|known| likeness(known) > 800).max_by_key(likeness).copied()
}

/// A value as the file has it.
fn show(value: &DeValue<'_>, text: &str, spanned: &Spanned<DeValue<'_>>) -> String {
    match value {
        DeValue::Table(_) => "a table".to_owned(),
        DeValue::Array(entries) if entries.iter().any(|entry| entry.get_ref().is_table()) => {
            "a list of tables".to_owned()
        }
        _ => shorten(text.get(spanned.span()).unwrap_or("a value")),
    }
}

/// The first line, at most 48 characters of it.
fn shorten(text: &str) -> String {
    let first = text.lines().next().unwrap_or("");
    match first.char_indices().nth(48) {
        Some((end, _)) => format!("{}…", &first[..end]),
        None => first.to_owned(),
    }
}
