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
        });
        &self.rows[self.rows.len() - 1]
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
            println!(
                "  {:<28} {:>12.3} {:<14} ({:.3}–{:.3}) n={}  {ratio}",
                row.name, row.median, row.unit, row.min, row.max, row.samples
            );
        }
        Ok(())
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
    use super::Report;

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
}
