//! A member is killed: how long until others serve what was its own.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gateway_tests::members::{Delivery, LIMIT, Members};

use super::super::report::Report;
use super::Options;

/// Units there are.
const UNITS: usize = 1024;
/// When it is given up.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn measure(report: &mut Report, options: &Options) -> Result<()> {
    let (lab, configuration) = super::stage(1)?;
    let mut members = Members::start(&lab, &configuration, Delivery::Unicast, 3)?;
    for (row, masters) in [("served/member", false), ("served/master", true)] {
        let mut samples = Vec::new();
        for _ in 0..options.kills {
            let victim = place(&members, masters)?;
            samples.push(kill(&mut members, victim)?.as_secs_f64() * 1e3);
            members.launch(&lab, victim)?;
            members.wait_balanced(LIMIT)?;
        }
        report.add(row, "ms", &samples, None);
    }
    Ok(())
}

/// The place of the master, or of the first other member.
fn place(members: &Members, master: bool) -> Result<u8> {
    let view = members.running().next().context("none runs")?.show("members")?;
    let is_master = |place: usize| view["members"][place]["name"] == view["master"];
    let place = (0..members.gateways.len()).find(|place| is_master(*place) == master).context("no such member")?;
    Ok(u8::try_from(place)?)
}

/// From the kill until each unit is served by one of those that live, as their own data planes say.
fn kill(members: &mut Members, victim: u8) -> Result<Duration> {
    let began = Instant::now();
    members.kill(victim)?;
    while began.elapsed() < PATIENCE {
        let mut owners = vec![0; UNITS];
        for gateway in members.running() {
            let units = gateway.show("units")?;
            let rows = units["owners"].as_array().context("no owners")?;
            let own = rows.iter().enumerate().filter(|(_, owner)| **owner == units["member"]);
            own.for_each(|(unit, _)| owners[unit] += 1);
        }
        let took = began.elapsed();
        if owners.iter().all(|owners| *owners == 1) {
            return Ok(took);
        }
    }
    ensure!(false, "not all units are served after {PATIENCE:?}");
    unreachable!("ensured above")
}
