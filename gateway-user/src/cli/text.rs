//! Text for people: tables that fit 100 columns, and short forms of numbers.

use std::fmt::Write as _;

/// Columns that every table fits.
pub(crate) const WIDTH: usize = 100;

/// A table with a heading; columns are as wide as their widest cell.
#[derive(Debug)]
pub(crate) struct Table {
    heading: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A heading that starts with `>` is of a column aligned to the right.
    pub(crate) fn new(heading: &[&'static str]) -> Self {
        Self { heading: heading.to_vec(), rows: Vec::new() }
    }

    /// Adds a row with a cell for each column.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Whether it has no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text, one line for each row.
    pub(crate) fn render(&self) -> String {
        let names: Vec<&str> = self.heading.iter().map(|name| name.trim_start_matches('>')).collect();
        let widest = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain([names[column].len()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..names.len()).map(widest).collect();
        let mut text = String::new();
        let heading = names.iter().map(|name| (*name).to_owned()).collect();
        for row in [&heading].into_iter().chain(&self.rows) {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = widths[column];
                let gap = if column == 0 { "" } else { "  " };
                let _ = match self.heading[column].starts_with('>') {
                    true => write!(line, "{gap}{cell:>width$}"),
                    false => write!(line, "{gap}{cell:<width$}"),
                };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// A number with commas: 1,048,576.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with its noun, whose plural ends in "s": 1 login, 1,000 logins.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A number in at most five characters: 999, 12.3k, 1.2M.
pub(crate) fn short(number: u64) -> String {
    scaled(number as f64, 1000.0, ["", "k", "M", "G", "T", "P", "E"])
}

/// Octets in at most six characters: 999B, 12.3K, 1.2M.
pub(crate) fn octets(number: u64) -> String {
    scaled(number as f64, 1024.0, ["B", "K", "M", "G", "T", "P", "E"])
}

fn scaled(mut number: f64, step: f64, units: [&str; 7]) -> String {
    let mut unit = 0;
    while number >= step && unit + 1 < units.len() {
        number /= step;
        unit += 1;
    }
    match unit {
        0 => format!("{number:.0}{}", units[0]),
        _ if number < 99.95 => format!("{number:.1}{}", units[unit]),
        _ => format!("{number:.0}{}", units[unit]),
    }
}

/// Seconds in at most seven characters: 59s, 12m03s, 3h12m, 4d07h.
pub(crate) fn seconds(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// Seconds with a fraction: 0.12 s, 3.4 s, 12m03s.
pub(crate) fn took(took: f64) -> String {
    match took {
        ..1.0 => format!("{:.0} ms", took * 1000.0),
        ..60.0 => format!("{took:.1} s"),
        _ => seconds(took as u64),
    }
}

/// A time that is short as a rule.
pub(crate) fn micros(micros: u64) -> String {
    match micros {
        0..1000 => format!("{micros} µs"),
        1000..10_000 => format!("{:.1} ms", micros as f64 / 1000.0),
        _ => took(micros as f64 / 1e6),
    }
}

/// A bar of `width` cells, filled from the left; 0 ≤ `part` ≤ 1.
pub(crate) fn bar(part: f64, width: usize) -> String {
    let filled = (part.clamp(0.0, 1.0) * width as f64).round() as usize;
    format!("{}{}", "█".repeat(filled), "░".repeat(width - filled))
}

/// `text` in at most `width` characters.
pub(crate) fn cut(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        None => text.to_owned(),
        Some(_) => text.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let counts = [0, 999, 1000, 1_048_576].map(count);
        assert_eq!(counts, ["0", "999", "1,000", "1,048,576"]);
        let logins = [0, 1, 2, 1000].map(|number| counted(number, "login"));
        assert_eq!(logins, ["0 logins", "1 login", "2 logins", "1,000 logins"]);
        assert_eq!(
            [0, 999, 1000, 123_456, 99_999_999].map(short),
            ["0", "999", "1.0k", "123k", "100M"].map(str::to_owned)
        );
        assert_eq!([0, 1023, 1536, 5 << 30].map(octets), ["0B", "1023B", "1.5K", "5.0G"].map(str::to_owned));
        assert_eq!([5, 723, 11_520, 370_000].map(seconds), ["5s", "12m03s", "3h12m", "4d06h"].map(str::to_owned));
        assert_eq!([0.1234, 3.44, 723.0].map(took), ["123 ms", "3.4 s", "12m03s"].map(str::to_owned));
        assert_eq!([-1.0, 0.5, 2.0].map(|part| bar(part, 4)), ["░░░░", "██░░", "████"].map(str::to_owned));
        assert_eq!(cut("gateway", 4), "gat…");
    }

    #[test]
    fn columns() {
        let mut table = Table::new(&["FPC", ">SESSIONS"]);
        assert!(table.is_empty());
        table.row(["fpc0".to_owned(), "7".to_owned()]);
        table.row(["a-long-name".to_owned(), "1,000".to_owned()]);
        assert_eq!(table.render(), "FPC          SESSIONS\nfpc0                7\na-long-name     1,000\n");
    }
}
