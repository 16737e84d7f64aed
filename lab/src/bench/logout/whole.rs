//! A whole release with everything that belongs to it: the carrier goes, the maps come clean. By one message to the
//! embedded server, and one by one to Kea.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use aya::maps::{HashMap, Map, MapData};
use gateway_common::route::AccessRoute;
use gateway_common::{Ip4, maps};
use gateway_tests::capture::Capture;
use gateway_tests::daemon::{Configuration, Gateway};
use gateway_tests::lab::Lab;
use gateway_tests::namespace::Namespace;
use gateway_tests::perfdhcp::{self, Load};
use gateway_tests::plan::{Plan, Subnet};
use gateway_tests::process::resident;
use gateway_tests::server::{Kind, Server, Service};

use crate::bench::report::Report;

/// Individual RELEASEs per second: what Kea bears on two cores beside the gateway.
const RELEASE_RATE: u32 = 2000;
/// Logins per second while filling.
const LOGIN_RATE: u32 = 3000;
/// Clients beyond those that are needed.
const SPARE: u32 = 100;
/// How often they all may try to log in.
const ROUNDS: u32 = 8;
/// How often it is looked whether the map is empty.
const INTERVAL: Duration = Duration::from_millis(2);
/// Where the gateway of a lab pins its maps.
const PINS: &str = "/sys/fs/bpf/gateway";

/// What one release took.
struct Release {
    seconds: f64,
    messages: f64,
    /// Octets by which the daemon grew, for each session.
    memory: f64,
}

/// Measures with `sessions` on one FPC, and adds the rows.
pub(super) fn measure(report: &mut Report, sessions: u32) -> Result<()> {
    let single = release(Kind::Embedded, sessions).context("single logout at the embedded server")?;
    let individual = release(Kind::Kea, sessions).context("individual RELEASEs to Kea")?;
    let name = format!("logout/{sessions}");
    let kea = format!("{name}/kea-individual");
    report.add(&name, "s", &[single.seconds], None);
    report.add(&format!("{name}/messages"), "messages", &[single.messages], None);
    report.add(&format!("{name}/memory/daemon"), "bytes/session", &[single.memory], None);
    report.add(&kea, "s at 2000/s", &[individual.seconds], Some(&name));
    let messages = format!("{name}/messages");
    report.add(&format!("{kea}/messages"), "messages", &[individual.messages], Some(&messages));
    Ok(())
}

fn release(kind: Kind, sessions: u32) -> Result<Release> {
    let lab = Lab::up(Plan { fpcs: 1, ..Plan::default() })?;
    let mut service = Service::relayed(&lab.plan, 0);
    // Room for a lab's /16 many times over.
    let (network, router) = (lab.plan.subnet(0), lab.plan.giaddr(0));
    let pool = (Ipv4Addr::new(100, 64, 1, 0), Ipv4Addr::new(100, 67, 255, 250));
    service.subnets = vec![Subnet { network, length: 14, pool, router }];
    let server = Server::start(kind, &lab.servers[0], &service, lab.directory())?;
    let mut configuration = Configuration::new(&lab);
    let capacity = (sessions + sessions / 4).next_power_of_two();
    configuration.gateway = format!("capacity = {capacity}\nkernel_routes = false\n");
    configuration.fpc = "hold_down = \"0s\"\n".into();
    // Kea answers no leasequery as it is delivered: trying whether it does would be counted against it.
    configuration.server = format!("release_rate = {RELEASE_RATE}\nverify = \"none\"\n");
    // perfdhcp is all subscribers behind one untagged line, in frames from one address.
    configuration.tables = "[limits]\nport_rate = 0\nline_rate = 0\nsubscriber_rate = 0\n".into();
    let gateway = Gateway::start(&lab, &configuration)?;
    let before = resident(gateway.process.pid())?;
    let logged_in = fill(&lab, &gateway, sessions).with_context(|| server.process.log_end())?;
    let found = routes(&lab.gateway)?;
    ensure!(found == logged_in, "{found} routes for {logged_in} sessions");

    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 octets")]
    let memory = resident(gateway.process.pid())?.saturating_sub(before) as f64 / logged_in as f64;

    let wire = Capture::start(&lab.servers[0], "srv0")?;
    let limit = Duration::from_secs(60) + Duration::from_secs(2 * logged_in / u64::from(RELEASE_RATE));
    let started = Instant::now();
    lab.carrier(0, false)?;
    while !is_empty(&lab.gateway)? {
        let log = || format!("routes left after {limit:?}\n{}\n{:?}", gateway.process.log_end(), wire.counts());
        ensure!(started.elapsed() < limit, log());
        std::thread::sleep(INTERVAL);
    }
    let seconds = started.elapsed().as_secs_f64();
    gateway.wait_sessions(0, Duration::from_secs(10))?;
    let messages = wire.messages().len() as f64;
    Ok(Release { seconds, messages, memory })
}

/// Logs in until there are `sessions`; how many there are.
fn fill(lab: &Lab, gateway: &Gateway, sessions: u32) -> Result<u64> {
    let count = || -> Result<u64> { gateway.show("status")?["sessions"].as_u64().context("no count of sessions") };
    let mut logged_in = count()?;
    let mut outcome = None;
    // perfdhcp counts its clients up from the same address each time: those that were lost get another chance.
    let load = Load { rate: LOGIN_RATE, seconds: (sessions + SPARE).div_ceil(LOGIN_RATE), clients: sessions + SPARE };
    for _ in 0..ROUNDS {
        if logged_in >= u64::from(sessions) {
            break;
        }
        outcome = Some(perfdhcp::run(&lab.subscribers[0], "sub0", load, lab.directory())?);
        logged_in = count()?;
    }
    let log = || format!("only {logged_in} logins of {sessions}, at last {outcome:?}\n{}", gateway.process.log_end());
    ensure!(logged_in >= u64::from(sessions), log());
    Ok(logged_in)
}

/// The access routes that are installed.
fn routes(space: &Namespace) -> Result<u64> {
    space.run(|| Ok(table()?.keys().count() as u64))?
}

fn is_empty(space: &Namespace) -> Result<bool> {
    space.run(|| Ok(table()?.keys().next().is_none()))?
}

fn table() -> Result<HashMap<MapData, Ip4, AccessRoute>> {
    let path = format!("{PINS}/{}", maps::ROUTES);
    let data = MapData::from_pin(&path).with_context(|| path.clone())?;
    Ok(Map::from_map_data(data)?.try_into()?)
}
