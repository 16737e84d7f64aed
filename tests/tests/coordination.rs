//! A cluster whose master etcd elects: a real etcd, which is killed, stands still, and comes back.

use anyhow::{Context, Result};
use gateway_tests::daemon::Configuration;
use gateway_tests::etcd::{Etcd, Files};
use gateway_tests::fleet::{Fleet, FleetConfig, TrafficPlan, TrafficReport};
use gateway_tests::lab::Lab;
use gateway_tests::members::{Delivery, LIMIT, Members};
use gateway_tests::plan::Plan;
use gateway_tests::server::{self, Server, Service};
use gateway_tests::traffic::Echo;
use gateway_tests::wait;
use serde_json::{Value, json};
use std::time::Duration;

const SUBSCRIBERS: u32 = 90;
const CLUSTER: &str = "lab";

struct Stage {
    members: Members,
    fleet: Fleet,
    etcd: Etcd,
    _echo: Echo,
    _server: Server,
    lab: Lab,
}

impl Stage {
    /// Three members that share the units, and everybody logged in. `lines` are for `[cluster]`.
    fn up(lines: &str) -> Result<Self> {
        Self::with(Etcd::start, lines)
    }

    fn with(etcd: impl Fn(&Lab) -> Result<Etcd>, lines: &str) -> Result<Self> {
        let lab = Lab::up(Plan { fpcs: 1, members: 3, ..Plan::default() })?;
        let service = Service::relayed(&lab.plan, 0);
        let server = Server::start(server::Kind::Kea, &lab.servers[0], &service, lab.directory())?;
        let echo = Echo::start(&lab.servers[0])?;
        let etcd = etcd(&lab)?;
        // The first endpoint is nobody's: the second is tried.
        let (url, files) = (etcd.url(), etcd.files().map(Files::lines).unwrap_or_default());
        let nobodys = url.replace(&lab.plan.server(0).to_string(), "192.0.2.99");
        let endpoints = format!("etcd.endpoints = [\"{nobodys}\", \"{url}\"]\n{files}");
        let configuration = Configuration {
            cluster: format!("coordination = \"etcd\"\n{endpoints}{lines}"),
            ..Configuration::new(&lab)
        };
        let members = Members::start(&lab, &configuration, Delivery::Unicast, 3)?;
        let fleet =
            Fleet::start(&lab.subscribers[0], "sub0", FleetConfig { count: SUBSCRIBERS, ..FleetConfig::default() })?;
        fleet.login_all(LIMIT)?;
        let stage = Stage { members, fleet, etcd, _echo: echo, _server: server, lab };
        stage.nobody_logged_out()?;
        Ok(stage)
    }

    fn traffic(&self, seconds: u64) -> Result<TrafficReport> {
        self.fleet.traffic(TrafficPlan { rate: 1500, duration: Duration::from_secs(seconds), size: 100 })
    }

    /// Everybody's traffic arrives once.
    fn all_is_well(&self) -> Result<()> {
        let report = self.traffic(2)?;
        assert_eq!((report.lost(), report.duplicates, report.silent), (0, 0, 0), "{report:?}");
        self.nobody_logged_out()
    }

    fn nobody_logged_out(&self) -> Result<()> {
        self.members.running().try_for_each(|gateway| gateway.wait_sessions(SUBSCRIBERS.into(), LIMIT))
    }

    fn views(&self) -> Result<Vec<Value>> {
        self.members.running().map(|gateway| gateway.show("members")).collect()
    }

    /// All members that run say this of etcd.
    fn wait_reachable(&self, reachable: bool) -> Result<()> {
        wait::until_true("all members to say how it stands with etcd", LIMIT, || {
            self.views().is_ok_and(|views| views.iter().all(|view| view["etcd"]["reachable"] == json!(reachable)))
        })
    }

    /// Who owns each of the 1024 units, as the master has it.
    fn owners(&self) -> Result<Value> {
        Ok(self.members.master()?.show("units")?["owners"].clone())
    }

    fn place(&self, name: &Value) -> Result<u8> {
        (0..3).find(|member| json!(Plan::member_name(*member)) == *name).context("no member")
    }
}

/// CL-8, CL-23, CL-70, CL-71: etcd elects the master, knows who owns what, and elects another when that one is killed. Nobody
/// loses a session; what the others served they go on serving meanwhile.
#[test]
fn etcd_elects() -> Result<()> {
    let mut stage = Stage::up("")?;
    stage.all_is_well()?;
    let master = stage.members.master()?.show("members")?["me"].clone();
    let (first, place) = (stage.etcd.get(CLUSTER, "master")?.context("a master")?, stage.place(&master)?);
    assert_eq!(first["member"], json!(place + 1), "{first}");
    let recorded = |stage: &Stage| -> Result<Vec<u64>> {
        let mut owners = Vec::new();
        for part in 0..8 {
            let units = stage.etcd.get(CLUSTER, &format!("units/{part}"))?.context("units")?;
            owners.extend(units.as_array().context("a list")?.iter().filter_map(|unit| unit[0].as_u64()));
        }
        Ok(owners)
    };
    // Read one after the other, while the master may move a unit for the sake of load.
    let agree = |stage: &Stage| {
        wait::until_true("etcd to have what the members do", LIMIT, || {
            let owners = stage.members.running().next().and_then(|gateway| gateway.show("units").ok());
            recorded(stage).is_ok_and(|recorded| owners.is_some_and(|units| units["owners"] == json!(recorded)))
        })
    };
    agree(&stage)?;

    stage.members.kill(place)?;
    stage.members.wait_balanced(LIMIT)?;
    stage.all_is_well()?;
    stage.fleet.renew_all(LIMIT)?;
    let second = stage.etcd.get(CLUSTER, "master")?.context("a master")?;
    assert!(second["term"].as_u64() > first["term"].as_u64(), "{first} {second}");
    agree(&stage)?;

    let other = (0..3)
        .find(|member| stage.members.gateways[usize::from(*member)].is_some() && json!(member + 1) != second["member"]);
    stage.members.launch(&stage.lab, place)?;
    stage.members.wait_balanced(LIMIT)?;
    stage.members.kill(other.context("a plain member")?)?;
    stage.members.wait_balanced(LIMIT)?;
    stage.all_is_well()?;
    assert_eq!(stage.etcd.get(CLUSTER, "master")?.context("a master")?, second, "a plain member's end elects nobody");
    Ok(())
}

/// CL-8, CL-70: the same by TLS, with an etcd that answers nobody without a certificate of its authority.
#[test]
fn etcd_elects_by_tls() -> Result<()> {
    let mut stage = Stage::with(Etcd::start_tls, "")?;
    assert!(!stage.etcd.answers_anybody(), "it asks for a certificate");
    stage.wait_reachable(true)?;
    let first = stage.etcd.get(CLUSTER, "master")?.context("a master")?;
    let master = stage.members.master_place()?;
    assert_eq!(first["member"], json!(master + 1), "{first}");
    stage.members.kill(master)?;
    stage.members.wait_balanced(LIMIT)?;
    stage.all_is_well()?;
    let second = stage.etcd.get(CLUSTER, "master")?.context("a master")?;
    assert!(second["term"].as_u64() > first["term"].as_u64(), "{first} {second}");
    // It connects anew.
    stage.etcd.process.kill()?;
    stage.wait_reachable(false)?;
    stage.etcd.restart()?;
    stage.wait_reachable(true)
}

/// etcd stands still until all leases have ended, and later is killed: traffic goes on, no unit moves, and the operator sees
/// it. When it is back, the same master is.
#[test]
fn etcd_is_away() -> Result<()> {
    let mut stage = Stage::up("")?;
    let master = stage.etcd.get(CLUSTER, "master")?;

    stage.etcd.pause(true)?;
    stage.wait_reachable(false)?;
    // Only from here on: while etcd answers, the master may move a unit for the sake of load.
    let owners = stage.owners()?;
    let report = stage.traffic(4)?;
    assert_eq!((report.lost(), report.duplicates, report.silent), (0, 0, 0), "while it stands still: {report:?}");
    stage.fleet.renew_all(LIMIT)?;
    let gateway = stage.members.running().next().context("one runs")?;
    let text = gateway.process.log();
    assert!(text.contains("coordinator unreachable: no unit moves"), "{}", gateway.process.log_end());
    assert!(stage.owners()? == owners, "a unit moved while etcd stood still");
    stage.fleet.start_traffic(TrafficPlan { rate: 1500, duration: Duration::from_secs(5), size: 100 })?;
    stage.etcd.pause(false)?;
    stage.wait_reachable(true)?;
    let report = stage.fleet.finish_traffic()?;
    assert_eq!((report.lost(), report.duplicates, report.silent), (0, 0, 0), "when it goes on: {report:?}");
    wait::until_true("the same master", LIMIT, || stage.etcd.get(CLUSTER, "master").is_ok_and(|now| now == master))?;

    stage.etcd.process.kill()?;
    stage.wait_reachable(false)?;
    let owners = stage.owners()?;
    let report = stage.traffic(4)?;
    assert_eq!((report.lost(), report.duplicates, report.silent), (0, 0, 0), "when it is dead: {report:?}");
    assert!(stage.owners()? == owners, "a unit moved while etcd was dead");
    stage.etcd.restart()?;
    stage.wait_reachable(true)?;
    stage.all_is_well()?;
    assert_eq!(stage.etcd.get(CLUSTER, "master")?, master);
    Ok(())
}

/// A member dies while etcd is away: its units wait, the others' traffic goes on; when etcd is back, its units are served.
#[test]
fn a_member_dies_while_etcd_is_away() -> Result<()> {
    let mut stage = Stage::up("")?;
    let master = stage.members.master()?.show("members")?["me"].clone();
    let master = stage.place(&master)?;
    let victim = (0..3).find(|member| *member != master).context("a plain member")?;
    stage.etcd.process.kill()?;
    stage.wait_reachable(false)?;
    stage.members.kill(victim)?;
    let of_others = |units: Vec<Vec<usize>>| -> usize {
        (1..4).filter(|id| *id != usize::from(victim) + 1).map(|id| units[0][id]).sum()
    };
    let owned = 1024 - 1024 / 3 - 1;
    let settled =
        |stage: &Stage| -> Result<bool> { Ok((owned..=owned + 1).contains(&of_others(stage.members.units()?))) };
    wait::until_true("its units to be nobody's", LIMIT, || settled(&stage).unwrap_or(false))?;
    let report = stage.traffic(3)?;
    assert!(report.lost() > 0 && report.lost() < report.sent / 2, "a third is not served: {report:?}");
    assert!(settled(&stage)?, "no unit moves");

    stage.etcd.restart()?;
    stage.wait_reachable(true)?;
    stage.members.wait_balanced(LIMIT)?;
    stage.all_is_well()
}

/// H-CL-6, H-CL-19, H-CL-20: a master that alone does not reach etcd is followed by another after its lease, and from then on
/// serves nothing and writes nothing; every packet is forwarded once, by one member.
#[test]
fn a_master_that_etcd_does_not_hear() -> Result<()> {
    let stage = Stage::up("")?;
    let first = stage.etcd.get(CLUSTER, "master")?.context("a master")?;
    let place = first["member"].as_u64().context("a member")? as usize - 1;
    let server = stage.lab.plan.server(0);
    stage.lab.members[place].ip(&format!("route add blackhole {server}/32"))?;
    wait::until_true("another master", LIMIT, || {
        stage.etcd.get(CLUSTER, "master").is_ok_and(|now| now.is_some_and(|now| now["member"] != first["member"]))
    })?;
    let nothing = |stage: &Stage| -> Result<bool> {
        let former = stage.members.gateways[place].as_ref().context("it runs")?.show("members")?;
        Ok(former["role"] == "joining"
            && former["etcd"]["reachable"] == json!(false)
            && former["fenced"] == json!(true))
    };
    wait::until_true("the former master to serve nothing", LIMIT, || nothing(&stage).unwrap_or(false))?;
    let others_have_all = || {
        let owners = stage.members.gateways[(place + 1) % 3].as_ref()?.show("units").ok()?["owners"].clone();
        owners.as_array()?.iter().all(|owner| *owner != json!(0) && *owner != json!(place + 1)).then_some(())
    };
    wait::until("the others to own all units", LIMIT, others_have_all)?;
    let report = stage.traffic(2)?;
    assert_eq!((report.lost(), report.duplicates, report.silent), (0, 0, 0), "{report:?}");

    stage.lab.members[place].ip(&format!("route del blackhole {server}/32"))?;
    stage.members.wait_balanced(LIMIT)?;
    stage.all_is_well()
}
