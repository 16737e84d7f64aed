//! `cargo xtask bench server`: the embedded DHCP server beside Kea and ISC dhcpd, and with a million leases.

mod crowd;
mod million;
mod peers;
mod wire;

use anyhow::Result;

use super::report::Report;

/// Options of `bench server`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// How often each figure is measured.
    #[arg(long, default_value_t = 3)]
    repetitions: usize,
    /// Seconds of load for each figure.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Logins per second at which the servers are compared.
    #[arg(long, default_values_t = [100, 1000, 3000])]
    rate: Vec<u32>,
    /// Only the embedded server, without the others beside it: for a profile.
    #[arg(long)]
    alone: bool,
    /// Don't look for the highest rates.
    #[arg(long)]
    no_search: bool,
    /// Measure only this part.
    #[arg(long, value_enum)]
    part: Option<Part>,
}

/// What can be measured by itself.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Logins per second and CPU per login, beside the others.
    Peers,
    /// A million leases: memory, start, single logout.
    Million,
}

/// Measure, print, and fail where a limit does not hold.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut report = Report::new("server", options.repetitions);
    let measured = measure(&mut report, options);
    // What was measured before something went wrong took long enough.
    report.print(options.json)?;
    measured?;
    if !options.json {
        println!(
            "An ACK of the gateway, and of dhcpd, leaves when its lease is on the disk (fdatasync, fsync). Kea's memfile hands \
             it to the\noperating system (persist) or to nobody (memory): a power cut takes leases that Kea has acknowledged.\n\
             So the gateway's cost is held against dhcpd's at rates that dhcpd completes, at higher ones against Kea's."
        );
    }
    report.verdict()
}

fn measure(report: &mut Report, options: &Options) -> Result<()> {
    if options.part != Some(Part::Million) {
        peers::measure(report, options)?;
    }
    if options.part != Some(Part::Peers) {
        million::measure(report, options)?;
    }
    Ok(())
}
