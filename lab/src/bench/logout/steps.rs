//! The steps of a single logout that are ours alone, each for 1 000 to 1 000 000 sessions on one FPC.

use std::time::Duration;

use anyhow::{Context, Result};

use super::caches::Caches;
use super::world::{Logout, World};
use crate::bench::report::Report;
use xtask::cargo::target;

/// Sessions on the FPC.
pub(super) const SIZES: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// Measures and adds the rows.
///
/// Every size has its world, and every repetition goes through all of them, so that what else the host does hits all.
/// A line card restarts out of the blue, so the caches are cold ahead of each step, for all sizes alike.
pub(super) fn measure(report: &mut Report) -> Result<()> {
    let directory = tempfile::Builder::new().prefix("bench-logout-").tempdir_in(target())?;
    let mut worlds = Vec::new();
    for size in SIZES {
        worlds.push(World::new(size, &directory.path().join(size.to_string())).with_context(|| format!("{size}"))?);
    }
    let mut samples = vec![Vec::new(); SIZES.len()];
    let mut caches = Caches::new();
    for _ in 0..report.repetitions {
        for ((world, samples), size) in worlds.iter_mut().zip(&mut samples).zip(SIZES) {
            world.log_in_all().with_context(|| format!("logging {size} in"))?;
            samples.push(world.log_out(|| caches.cool()).with_context(|| format!("logging {size} out"))?);
        }
    }
    type Value = fn(&Logout) -> f64;
    let rows: [(&str, &'static str, Value); 4] = [
        ("table", "us", |sample| micros(sample.decision + sample.confirmation)),
        ("server", "us", |sample| micros(sample.server)),
        ("server/durable", "us", |sample| micros(sample.server + sample.durable)),
        ("messages", "messages", |sample| (sample.requests + sample.replies) as f64),
    ];
    for (name, unit, value) in rows {
        for (samples, size) in samples.iter().zip(SIZES) {
            let reference = format!("logout/{name}/{}", SIZES[0]);
            let against = (size != SIZES[0]).then_some(reference.as_str());
            let values: Vec<f64> = samples.iter().map(value).collect();
            report.add(&format!("logout/{name}/{size}"), unit, &values, against);
        }
    }
    Ok(())
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
