//! The form of every bench's result: rows with a median over their samples, each beside the row it is held against.

use serde::Serialize;

/// One bench's result; `--json` prints exactly this object.
#[derive(Serialize)]
pub(crate) struct Report {
    /// The bench's name: `drop`, `forward`, `relay`, `logout`.
    pub(crate) bench: &'static str,
    /// Kernel, processors: what the figures depend on.
    pub(crate) host: String,
    /// How often the bench was told to measure; a row says how often it was.
    pub(crate) repetitions: usize,
    /// The figures.
    pub(crate) rows: Vec<Row>,
}

/// One figure.
#[derive(Clone, Serialize)]
pub(crate) struct Row {
    /// For example `foreign/udp`, `relay/1000`, `logout/1000000`.
    pub(crate) name: String,
    /// What is counted: `ns`, `Mpps`, `us/login`, `bytes/session`.
    pub(crate) unit: &'static str,
    /// How often it was measured.
    pub(crate) samples: usize,
    /// The middle of the samples.
    pub(crate) median: f64,
    /// The least of the samples.
    pub(crate) min: f64,
    /// The greatest of the samples.
    pub(crate) max: f64,
    /// The row that this one is measured against.
    pub(crate) against: Option<String>,
    /// This row's median over that of `against`; null for a reference row.
    pub(crate) ratio: Option<f64>,
    /// What the row is held to, where that is said with the row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<Limit>,
}

/// What a row is held to.
#[derive(Clone, Serialize)]
pub(crate) struct Limit {
    /// In words: `at most 400`, `at least 2×`.
    pub(crate) rule: String,
    /// Whether the row keeps to it.
    pub(crate) held: bool,
}

/// A limit before it is held against a row.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    /// The greatest sample is no greater.
    AtMost(f64),
    /// The ratio is no greater.
    RatioAtMost(f64),
    /// The ratio is no less.
    RatioAtLeast(f64),
}

impl Report {
    /// An empty report about this host.
    pub(crate) fn new(bench: &'static str, repetitions: usize) -> Self {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Report { bench, host: format!("Linux {}, {cores} cores", release.trim()), repetitions, rows: Vec::new() }
    }

    /// Add a row of `samples` (at least one). `against` must already be in the report.
    pub(crate) fn add(&mut self, name: &str, unit: &'static str, samples: &[f64], against: Option<&str>) -> &Row {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 };
        let ratio = against.map(|reference| median / self.median(reference));
        self.rows.push(Row {
            name: name.to_owned(),
            unit,
            samples: sorted.len(),
            median,
            min: sorted[0],
            max: sorted[sorted.len() - 1],
            against: against.map(str::to_owned),
            ratio,
            limit: None,
        });
        &self.rows[self.rows.len() - 1]
    }

    /// Hold the row that was added last to a limit, which is printed with it and with the verdict.
    pub(crate) fn limit(&mut self, bound: Bound) {
        let Some(row) = self.rows.last_mut() else { return };
        let ratio = row.ratio.unwrap_or(f64::NAN);
        let (rule, held) = match bound {
            Bound::AtMost(most) => (format!("at most {most}"), row.max <= most),
            Bound::RatioAtMost(most) => (format!("at most {most}×"), ratio <= most),
            Bound::RatioAtLeast(least) => (format!("at least {least}×"), ratio >= least),
        };
        row.limit = Some(Limit { rule, held });
    }

    /// Whether there is a row `name`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.rows.iter().any(|row| row.name == name)
    }

    /// The median of the row `name`.
    pub(crate) fn median(&self, name: &str) -> f64 {
        self.rows.iter().find(|row| row.name == name).map_or(f64::NAN, |row| row.median)
    }

    /// Print as a table, or as the JSON object.
    pub(crate) fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(self)?);
            return Ok(());
        }
        println!("bench {} on {}: median (least–greatest) of n samples", self.bench, self.host);
        for row in &self.rows {
            let ratio = match (&row.against, row.ratio) {
                (Some(against), Some(ratio)) => format!("{ratio:.2}× {against}"),
                _ => String::new(),
            };
            let verdict = row.limit.as_ref().map_or(String::new(), |limit| {
                format!("  [{}: {}]", limit.rule, if limit.held { "holds" } else { "MISSED" })
            });
            println!(
                "  {:<28} {:>12.3} {:<14} ({:.3}–{:.3}) n={}  {ratio}{verdict}",
                row.name, row.median, row.unit, row.min, row.max, row.samples
            );
        }
        Ok(())
    }

    /// Fail, naming the rows, where a limit that was set with [`Report::limit`] is missed.
    pub(crate) fn verdict(&self) -> anyhow::Result<()> {
        let is_held = |row: &Row| row.limit.as_ref().is_none_or(|limit| limit.held);
        self.hold(is_held, "said in its row")
    }

    /// Fail, naming the rows, where `limit` (said in words by `rule`) does not hold.
    pub(crate) fn hold(&self, limit: impl Fn(&Row) -> bool, rule: &str) -> anyhow::Result<()> {
        let missed: Vec<_> = self.rows.iter().filter(|row| !limit(row)).map(|row| row.name.as_str()).collect();
        anyhow::ensure!(missed.is_empty(), "{} misses its limit ({rule})", missed.join(", "));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Bound, Report};

    /// The median of an even number of samples lies between the middle two, and the ratio is over the reference row.
    #[test]
    fn ratio_is_median_over_median() {
        let mut report = Report::new("drop", 4);
        report.add("bare", "ns", &[8.0, 7.0, 9.0], None);
        let row = report.add("foreign/udp", "ns", &[10.0, 14.0, 18.0, 30.0], Some("bare"));
        assert_eq!((row.median, row.min, row.max, row.ratio), (16.0, 10.0, 30.0, Some(2.0)));
        let row = serde_json::to_value(row).unwrap();
        assert_eq!(row["samples"], 4, "each row says of how many it is the median");
    }

    /// A limit is held against the worst sample or against the ratio; a ratio that there is not keeps to nothing.
    #[test]
    fn limits_are_told_with_their_rows() {
        let mut report = Report::new("server", 1);
        report.add("kea", "logins/s", &[4000.0], None);
        report.limit(Bound::RatioAtLeast(1.0));
        report.add("gateway", "logins/s", &[9000.0], Some("kea"));
        report.limit(Bound::RatioAtLeast(2.0));
        report.add("cost", "us", &[10.0, 30.0], None);
        report.limit(Bound::AtMost(20.0));
        let held: Vec<_> = report.rows.iter().flat_map(|row| &row.limit).map(|limit| limit.held).collect();
        assert_eq!(held, [false, true, false]);
        let error = report.verdict().unwrap_err().to_string();
        assert!(error.contains("kea, cost") && !error.contains("gateway"), "{error}");
    }
}
