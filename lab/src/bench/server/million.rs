//! The embedded server with a million leases in one scope: what they cost in memory, how soon it serves after a crash, and
//! how soon they end by a single logout.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gateway_tests::process::resident;
use gateway_tests::server::{Kea, Kind, Server};

use super::Options;
use super::crowd::Crowd;
use super::wire::Wire;
use crate::bench::report::{Bound, Report};

/// Leases in a small scope and in a large one.
const SIZES: [u32; 2] = [1_000, 1_000_000];
/// Octets of memory for a lease.
const MEMORY: f64 = 400.0;
/// Seconds from start to first answer.
const START: f64 = 2.0;
/// What a large scope may cost over a small one, and a login while a large one is reclaimed over one at rest.
const FLAT: f64 = 2.0;
/// Logins one after the other, so many each time.
const LOGINS: u32 = 2000;
/// Who log in at once when a million have been logged out of a pool that was used up.
const NEWCOMERS: u32 = 20;
/// How often a small scope is logged out.
const SMALL: usize = 9;

/// Measures and adds the rows.
pub(super) fn measure(report: &mut Report, options: &Options) -> Result<()> {
    let small = logouts_of(SIZES[0], SMALL)?;
    report.add(&format!("server/logout/{}", SIZES[0]), "ms", &small, None);
    large(report, options.repetitions).context("with a million leases")
}

fn logouts_of(size: u32, repetitions: usize) -> Result<Vec<f64>> {
    let wire = Wire::up()?;
    let _server = start(&wire, size)?;
    let mut crowd = Crowd::new(&wire)?;
    let mut samples = Vec::new();
    for _ in 0..repetitions {
        crowd.log_in(0..size)?;
        samples.push(log_out(&mut crowd, size)?);
    }
    Ok(samples)
}

fn large(report: &mut Report, repetitions: usize) -> Result<()> {
    let size = SIZES[1];
    let wire = Wire::up()?;
    let mut server = start(&wire, size)?;
    let mut crowd = Crowd::new(&wire)?;
    let empty = resident(server.process.pid())?;
    let started = Instant::now();
    crowd.log_in(0..size)?;
    eprintln!("{size} leases in {:.0?}", started.elapsed());
    let grown = for_each(size, empty, &server)?;

    let (mut starts, mut restored) = (Vec::new(), Vec::new());
    for _ in 0..repetitions {
        server.process.kill()?;
        let started = Instant::now();
        server = start(&wire, size)?;
        ensure!(crowd.wait_leased(size - 1, Duration::from_secs(60))?, "a lease is lost");
        starts.push(started.elapsed().as_secs_f64());
        restored.push(for_each(size, empty, &server)?);
    }

    let (mut logouts, mut newcomers) = (Vec::new(), Vec::new());
    let (mut at_rest, mut meanwhile) = (Vec::new(), Vec::new());
    for repetition in 0..repetitions {
        if repetition > 0 {
            crowd.log_in(0..size)?;
        }
        let newcomer = size + NEWCOMERS * u32::try_from(repetition)?;
        let early = crowd.log_one_in(newcomer, Duration::from_millis(200))?;
        ensure!(early.is_none(), "a newcomer gets an address of a pool that is used up");
        at_rest.extend(logins(&mut crowd, 0..LOGINS)?);
        logouts.push(log_out(&mut crowd, size)?);
        newcomers.extend(logins(&mut crowd, newcomer..newcomer + NEWCOMERS)?);
        meanwhile.extend(logins(&mut crowd, LOGINS..2 * LOGINS)?);
        // So that nobody has another one's address when all log in again.
        crowd.log_out()?;
    }
    report.add(&format!("server/logout/{size}"), "ms", &logouts, Some(&format!("server/logout/{}", SIZES[0])));
    report.limit(Bound::RatioAtMost(FLAT));
    report.add("server/login/at-rest", "ms", &at_rest, None);
    report.add("server/login/at-once", "ms", &newcomers, Some("server/login/at-rest"));
    report.limit(Bound::RatioAtMost(FLAT));
    report.add("server/login/reclaim", "ms", &meanwhile, Some("server/login/at-rest"));
    report.limit(Bound::RatioAtMost(FLAT));
    report.add("server/login-p99/at-rest", "ms", &[late(&mut at_rest)], None);
    report.add("server/login-p99/reclaim", "ms", &[late(&mut meanwhile)], Some("server/login-p99/at-rest"));
    report.limit(Bound::RatioAtMost(FLAT));
    report.add("server/memory/grown", "bytes/lease", &[grown], None);
    report.limit(Bound::AtMost(MEMORY));
    report.add("server/memory/restored", "bytes/lease", &restored, None);
    report.limit(Bound::AtMost(MEMORY));
    report.add(&format!("server/start/{size}"), "s", &starts, None);
    report.limit(Bound::AtMost(START));
    Ok(())
}

fn start(wire: &Wire, size: u32) -> Result<Server> {
    wire.start(Kind::Embedded, Kea::default(), size)
}

/// Octets by which the server has grown, for each lease.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52 octets")]
fn for_each(size: u32, empty: u64, server: &Server) -> Result<f64> {
    Ok(resident(server.process.pid())?.saturating_sub(empty) as f64 / f64::from(size))
}

fn log_out(crowd: &mut Crowd, size: u32) -> Result<f64> {
    // Not in the same second as the logins.
    std::thread::sleep(Duration::from_secs(2));
    let (took, released) = crowd.log_out()?;
    ensure!(released == size, "{released} leases ended of {size}");
    Ok(millis(took))
}

fn logins(crowd: &mut Crowd, numbers: std::ops::Range<u32>) -> Result<Vec<f64>> {
    numbers
        .map(|number| {
            let took = crowd.log_one_in(number, Duration::from_secs(2))?;
            Ok(millis(took.with_context(|| format!("client {number} gets no answer"))?))
        })
        .collect()
}

/// What one login in a hundred takes at least.
fn late(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() * 99 / 100]
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
