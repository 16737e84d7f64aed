//! `cargo xtask bench drop` and `bench forward`: the programs alone, without controller or lab.

use anyhow::{Result, anyhow};
use gateway_tests::bench::{self, Samples};

use super::report::{Report, Row};

/// Options of `bench drop` and `bench forward`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// How often each figure is measured.
    #[arg(long, default_value_t = 9)]
    repetitions: usize,
}

/// Options of `bench forward`.
#[derive(clap::Args)]
pub(crate) struct Forward {
    #[command(flatten)]
    options: Options,
    /// Only these rows: for a profile.
    #[arg(long, value_name = "ROW")]
    only: Vec<String>,
}

/// What a foreign frame may cost, as a multiple of a bare `return XDP_DROP`.
const DROP_LIMIT: f64 = 2.2;
/// Rate of live foreign frames, as a part of a bare drop's.
const LIVE_LIMIT: f64 = 0.8;
/// Forwarding, as a multiple of the kernel's own.
const FORWARD_LIMIT: f64 = 2.0;
/// What a packet may cost by IPv6, as a multiple of IPv4, and with three prefix lengths, as a multiple of one.
const IPV6_LIMIT: f64 = 1.3;

/// The foreign drop: in `BPF_PROG_TEST_RUN`, and on live frames beside nftables and generic XDP.
pub(crate) fn drop(options: &Options) -> Result<()> {
    let mut report = Report::new("drop", options.repetitions);
    let repetitions = options.repetitions;
    let foreign = alone(move || bench::foreign(repetitions))?;
    let live = alone(move || bench::live(repetitions))?;
    add(&mut report, foreign.iter().chain(&live));
    report.print(options.json)?;
    report.hold(
        |row| row.unit != "ns" || row.ratio.is_none_or(|ratio| ratio <= DROP_LIMIT),
        &format!("at most {DROP_LIMIT}× a bare drop"),
    )?;
    let others = report.median("live/nft-ingress").max(report.median("live/xdp-generic"));
    report.hold(
        |row| row.name != "foreign/live" || row.ratio >= Some(LIVE_LIMIT) && row.median > others,
        &format!("at least {LIVE_LIMIT}× a bare drop, and ahead of nftables and generic XDP"),
    )
}

/// Forwarding up and down, beside the kernel's.
pub(crate) fn forward(Forward { options, only }: &Forward) -> Result<()> {
    let mut report = Report::new("forward", options.repetitions);
    let (repetitions, only) = (options.repetitions, only.clone());
    let rows = alone(move || bench::forward(repetitions, &only))?;
    add(&mut report, rows.iter());
    report.print(options.json)?;
    // The plain row counts as it was measured; the others without the generator's and the sink's own time.
    let is_held = |name: &str| name == "forward/ipv4" || name.ends_with("/net");
    let to_kernel = |row: &Row| row.against.as_ref().is_some_and(|against| against.starts_with("kernel/"));
    report.hold(
        |row| !is_held(&row.name) || !to_kernel(row) || row.ratio >= Some(FORWARD_LIMIT),
        &format!("at least {FORWARD_LIMIT}× the kernel's own forwarding"),
    )?;
    report.hold(
        |row| row.name.ends_with("/net") || to_kernel(row) || row.ratio.is_none_or(|ratio| ratio * IPV6_LIMIT >= 1.0),
        &format!("a packet costs at most {IPV6_LIMIT}× that of IPv4, or that with one prefix length"),
    )
}

/// Runs a measurement in a thread of its own: it moves into a namespace that ends with the thread.
fn alone(measure: impl FnOnce() -> Result<Vec<Samples>> + Send + 'static) -> Result<Vec<Samples>> {
    std::thread::spawn(measure).join().map_err(|_| anyhow!("the measurement panicked"))?
}

fn add<'a>(report: &mut Report, rows: impl Iterator<Item = &'a Samples>) {
    for row in rows {
        report.add(&row.name, row.unit, &row.values, row.against.as_deref());
    }
}
