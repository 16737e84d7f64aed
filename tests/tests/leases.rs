//! Leases move from a server of somebody else's to the embedded one, and back: the clients keep what they have.

use anyhow::{Context, Result};
use gateway_tests::fleet::{Action, Fleet, FleetConfig};
use gateway_tests::plan::Plan;
use gateway_tests::server::{self, Server, Service};
use gateway_tests::stage::{LIMIT, Stage};
use gateway_tests::{daemon, process, wait};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

const COUNT: u32 = 40;
/// Subscribers that came first and are away now, so that whoever counts from the first address again is wrong.
const AWAY: u32 = 15;

/// What each client has: its address, and by DHCPv6 an address and a prefix.
type Held = Vec<(Option<Ipv4Addr>, Option<(IpAddr, String)>)>;

fn held(fleet: &Fleet) -> Result<Held> {
    let six = fleet.with(|crowd, _| crowd.held6())?;
    let six = six.into_iter().map(|held| held.map(|held| (held.address.into(), held.prefix.to_string())));
    Ok(fleet.addresses()?.into_iter().zip(six).collect())
}

/// `gateway leases …` beside the DHCP server: whether it succeeded, what it printed, and its complaints.
fn leases(stage: &Stage, arguments: &[&str]) -> Result<(bool, String, String)> {
    let mut command = stage.lab.servers[0].command(daemon::program()?);
    command.arg("leases").args(arguments).arg("--config").arg(stage.lab.directory().join("server.toml"));
    let (status, text, errors) = process::finish(&mut command, LIMIT)?;
    Ok((status.success(), text, errors))
}

fn listed(stage: &Stage, arguments: &[&str]) -> Result<Vec<Value>> {
    let (done, text, errors) = leases(stage, &[arguments, &["--json"]].concat())?;
    anyhow::ensure!(done, "{errors}");
    Ok(serde_json::from_str(&text)?)
}

/// Another server in the place of the one that runs.
fn replace(
    stage: &mut Stage,
    kind: server::Kind,
    service: &Service,
    between: impl FnOnce(&Stage) -> Result<()>,
) -> Result<()> {
    for process in [Some(&mut stage.server.process), stage.server.process6.as_mut()].into_iter().flatten() {
        process.terminate(LIMIT)?;
    }
    between(stage)?;
    stage.server = Server::start(kind, &stage.lab.servers[0], service, stage.lab.directory())?;
    Ok(())
}

/// Clients log in from nothing, as after a loss of power, and have what they had.
fn all_the_same(stage: &Stage, config: &FleetConfig, before: &Held) -> Result<()> {
    let fleet = Fleet::start(&stage.lab.subscribers[0], "sub0", config.clone())?;
    fleet.login_all(LIMIT).with_context(|| stage.server.process.log_end())?;
    assert_eq!(&held(&fleet)?, before);
    Ok(())
}

fn path(directory: &Path, name: &str) -> String {
    directory.join(name).display().to_string()
}

/// From a server to the embedded one by the files that it leaves, and by exports of the running one to that server.
fn over_and_back(from: server::Kind, format: &str, files: [&str; 2]) -> Result<()> {
    let plan = Plan { fpcs: 1, ipv6: true, ..Plan::default() };
    let stage = &mut Stage::with(from, plan, |_| {}, |_| {})?;
    let service = Service::relayed(&stage.lab.plan, 0);
    let space = stage.lab.subscribers[0].clone();
    let away = FleetConfig { count: AWAY, fleet: 1, client_id: true, ipv6: true, ..FleetConfig::default() };
    let fleet = Fleet::start(&space, "sub0", away)?;
    fleet.login_all(LIMIT)?;
    let gone = held(&fleet)?;
    // One of them finds its address in use.
    let declined = gone[0].0.context("no address")?;
    fleet.tell(0, Action::Decline)?;
    stage.server.wait_held(declined, false, LIMIT)?;
    fleet.power_off()?;
    drop(fleet);
    let config = FleetConfig { count: COUNT, ipv6: true, ..FleetConfig::default() };
    let fleet = Fleet::start(&space, "sub0", config.clone())?;
    fleet.login_all(LIMIT)?;
    let before = held(&fleet)?;
    assert!(before.iter().all(|(four, six)| four.is_some() && six.is_some()));
    drop(fleet);

    replace(stage, server::Kind::Embedded, &service, |stage| {
        let directory = stage.lab.directory();
        service.write_embedded(directory)?;
        let files = files.map(|name| path(directory, name));
        let import = ["import", &files[0], &files[1], "--format", format];
        let (done, text, errors) = leases(stage, &[&import[..], &["--dry-run"]].concat())?;
        anyhow::ensure!(done && text.contains(" would be taken"), "{text}{errors}");
        anyhow::ensure!(!directory.join("server-store").exists(), "a trial makes no store");
        let (done, text, errors) = leases(stage, &import)?;
        anyhow::ensure!(done && errors.is_empty(), "{text}{errors}");
        println!("{from:?}: {text}");
        Ok(())
    })?;
    let kept = listed(stage, &["--state", "abandoned"])?;
    assert!(kept.iter().any(|row| row["address"] == declined.to_string()), "{declined} is not kept: {kept:?}");
    all_the_same(stage, &config, &before)?;
    let active = listed(stage, &[])?;
    assert!(active.len() >= 3 * COUNT as usize, "{} leases", active.len());
    let mac = "02:00:00:00:00:00";
    let found = listed(stage, &["--mac", mac])?;
    assert_eq!((found.len(), found[0]["address"].as_str()), (1, before[0].0.map(|a| a.to_string()).as_deref()));
    let scoped = listed(stage, &["--scope", &stage.lab.plan.giaddr(0).to_string()])?;
    assert_eq!(scoped.len(), COUNT as usize, "each login is tagged with its card");
    let (refused, _, why) = leases(stage, &["import", "/dev/null", "--format", "csv"])?;
    assert!(!refused && why.contains("while their server does not run"), "{why}");

    let mut exports = Vec::new();
    for version in [4, 6] {
        let (done, text, errors) = leases(stage, &["export", "--format", &format!("{format}{version}")])?;
        anyhow::ensure!(done && errors.is_empty(), "{errors}");
        exports.push(text);
    }
    replace(stage, from, &service, |stage| {
        for (name, text) in files.into_iter().zip(&exports) {
            std::fs::write(stage.lab.directory().join(name), text)?;
        }
        Ok(())
    })?;
    all_the_same(stage, &config, &before)?;
    let logs =
        [Some(&stage.server.process), stage.server.process6.as_ref()].map(|process| process.map(process::Process::log));
    for log in logs.into_iter().flatten() {
        let faults = ["ROW_ERROR", "LEASE_SANITY", ".leases line "];
        assert!(!faults.into_iter().any(|fault| log.contains(fault)), "{from:?} finds fault with the file:\n{log}");
    }
    wait::until_true("the declined address", Duration::from_secs(5), || {
        let text = std::fs::read_to_string(stage.lab.directory().join(files[0])).unwrap_or_default();
        let blocks = text.split("lease ").filter(|block| block.starts_with(&format!("{declined} {{")));
        text.lines().any(|line| line.starts_with(&format!("{declined},,,")))
            || blocks.last().is_some_and(|block| block.contains("binding state abandoned"))
    })
}

/// Kea's memfile, of DHCPv4 and DHCPv6.
#[test]
fn from_kea() -> Result<()> {
    over_and_back(server::Kind::Kea, "kea", ["kea-leases.csv", "kea-leases6.csv"])
}

/// ISC dhcpd's leases, of both.
#[test]
fn from_dhcpd() -> Result<()> {
    over_and_back(server::Kind::Dhcpd, "isc", ["dhcpd.leases", "dhcpd6.leases"])
}
