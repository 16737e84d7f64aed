//! `cargo xtask demo subnets`: a year in which one server has a /20, three have subscribers, and the subscribers move.
//!
//! The servers are the real ones without their sockets, so that a year passes in seconds ([`gateway_tests::subnets`]). What is
//! told is what they administer themselves, and what became of every login. In the end it is a chart. Anything that is not
//! as told ends the demo with an error.

mod chart;
mod share;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use gateway_tests::subnets::{DAY, STEP, Sample, Year};

use super::screen::Screen;

const MONTHS: [(&str, u64); 12] = [
    ("January", 31),
    ("February", 28),
    ("March", 31),
    ("April", 30),
    ("May", 31),
    ("June", 30),
    ("July", 31),
    ("August", 31),
    ("September", 30),
    ("October", 31),
    ("November", 30),
    ("December", 31),
];
/// Addresses of the /20.
const ALL: u64 = 4096;
/// The hour at which most are logged in.
const EVENING: Duration = Duration::from_secs(6 * 3600);

/// Options of `cargo xtask demo subnets`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where to write the chart, an SVG file [default: subnets.svg in the target directory]
    #[arg(long, value_name = "FILE")]
    chart: Option<PathBuf>,
}

pub(super) fn run(options: &Options) -> Result<()> {
    let start = Instant::now();
    let mut screen = Screen::new();
    screen.title("A year of four DHCP servers: subnets go where the subscribers are");
    screen.act(&format!(
        "One has 10.0.0.0/20. A, B and C have subscribers, {} % of it in all, who move. {}",
        65,
        share::legend(screen.is_watched())
    ));
    let mut year = Year::new();
    let days = tell(&mut screen, &mut year)?;
    come_home(&mut screen, &mut year)?;

    let file = options.chart.clone().unwrap_or_else(|| xtask::cargo::target().join("subnets.svg"));
    std::fs::write(&file, chart::svg(&days, ALL)).with_context(|| format!("cannot write {}", file.display()))?;
    screen.note(&format!("the year as a chart: {}", file.display()));
    screen.done(start.elapsed());
    Ok(())
}

/// Twelve months, a line each; gives how it stood each evening.
fn tell(screen: &mut Screen, year: &mut Year) -> Result<Vec<Sample>> {
    let steps = DAY.as_secs() / STEP.as_secs();
    let evening = EVENING.as_secs() / STEP.as_secs();
    let mut days = Vec::new();
    for (month, length) in MONTHS {
        screen.begin(month);
        for day in 0..length {
            screen.progress(month, day, length);
            for step in 0..steps {
                year.step();
                if step == evening {
                    days.push(year.sample());
                }
            }
        }
        let last = days.last().context("a month without days")?;
        screen.end(month, &share::line(last, ALL, screen.is_watched()));
    }
    let logins = year.logins();
    let least_and_most = |server: usize| {
        let spaces = days.iter().skip(30).map(|day| day.space[server]);
        spaces.fold((u64::MAX, 0), |(least, most), space| (space.min(least), space.max(most)))
    };
    for (server, name) in share::NAMES.iter().enumerate() {
        let (least, most) = least_and_most(server);
        ensure!(least * 2 <= most, "{name} had {least} addresses at least and {most} at most: nothing has moved");
        screen.note(&format!("{name} had {least} addresses when it needed few, and {most} when it needed many"));
    }
    ensure!(logins.refused * 100 < logins.all, "of {} logins {} were refused", logins.all, logins.refused);
    screen.note(&format!(
        "{} logins; refused: {}, {} of them while any server had a subnet that nobody used",
        logins.all, logins.refused, logins.refused_while_free
    ));
    Ok(days)
}

/// Nobody is left: everything goes back to where it was entered.
fn come_home(screen: &mut Screen, year: &mut Year) -> Result<()> {
    let what = "all subscribers leave";
    screen.begin(what);
    for _ in 0..10 * DAY.as_secs() / STEP.as_secs() {
        year.step_to([0; 3]);
        if year.sample().free == ALL {
            screen.end(what, &format!("all {ALL} addresses are back, in one piece"));
            return Ok(());
        }
    }
    anyhow::bail!("ten days later only this is back: {:?}", year.sample())
}
