//! A member without any state joins a cluster with a hundred thousand sessions.
//!
//! Measured from its asking for a snapshot until its state is complete: read from the stream, decrypted, decoded, in its
//! table, in its store, and its routes in the kernel's maps.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gateway_tests::members::{Delivery, LIMIT, Members};

use super::super::report::Report;
use super::{Options, filled};

/// The member that joins.
const JOINER: u8 = 2;
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn measure(report: &mut Report, options: &Options) -> Result<()> {
    let (lab, mut configuration) = super::stage(2)?;
    // There is no DHCP server: nobody is to be asked about the sessions.
    configuration.server = "verify = \"none\"\n".into();
    filled::write(&lab, super::CAPACITY, options.sessions)?;
    let mut members = Members::start(&lab, &configuration, Delivery::Unicast, 2)?;
    let sessions = u64::from(options.sessions);
    for gateway in members.running() {
        gateway.wait_sessions(sessions, LIMIT)?;
    }
    let mut samples = Vec::new();
    for _ in 0..options.repetitions {
        members.launch(&lab, JOINER)?;
        let gateway = members.gateways[usize::from(JOINER)].as_mut().context("it runs")?;
        gateway.process.wait_for_log("the state is complete", PATIENCE)?;
        ensure!(u64::from(gateway.routes_in_kernel()?) == sessions, "not every session has its route");
        ensure!(gateway.show("status")?["sessions"] == sessions, "not every session arrived");
        let log = gateway.process.log();
        let took = at(&log, "the state is complete")? - at(&log, "taking the state of")?;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52 sessions")]
        samples.push(sessions as f64 / took / 1e3);
        members.wait_balanced(LIMIT)?;
        members.kill(JOINER)?;
        members.forget(&lab, JOINER)?;
        members.wait_balanced(LIMIT)?;
    }
    report.add(&format!("joining/{sessions}"), "ksessions/s", &samples, None);
    Ok(())
}

/// Seconds of the day at which the log first says this.
fn at(log: &str, text: &str) -> Result<f64> {
    let line =
        log.lines().find(|line| line.contains(text)).with_context(|| format!("{text:?} is not in the log:\n{log}"))?;
    let time = line.split_once('T').and_then(|(_, rest)| rest.split_once('Z')).map(|(time, _)| time);
    let parts: Vec<f64> =
        time.context("a line without a time")?.split(':').filter_map(|part| part.parse().ok()).collect();
    let [hours, minutes, seconds] = parts[..] else { anyhow::bail!("no time in {line:?}") };
    Ok((hours * 60.0 + minutes) * 60.0 + seconds)
}

#[cfg(test)]
mod tests {
    /// The time of a line of the log is read to the microsecond.
    #[test]
    fn reads_a_time() {
        let log = "2026-01-02T03:04:05.000006Z  INFO gateway: one\n2026-01-02T03:04:06.500006Z  INFO gateway: two\n";
        let took = super::at(log, "two").unwrap() - super::at(log, "one").unwrap();
        assert!((took - 1.5).abs() < 1e-6, "{took}");
    }
}
