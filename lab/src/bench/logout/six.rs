//! Whole releases of DHCPv6 clients, each with an address and a prefix: the carrier goes, the maps come clean. At the
//! embedded server by one message, by RELEASE-REQUESTs for many clients, and by one RELEASE for each; the latter at Kea, too.
//! The time one by one includes what it takes to find out that the server knows nothing else: some 15 s.

use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use aya::maps::{HashMap, Map, MapData};
use gateway_common::maps;
use gateway_common::route::AccessRoute;
use gateway_common::route6::Route6Key;
use gateway_tests::capture::Capture6;
use gateway_tests::daemon::{Configuration, Gateway};
use gateway_tests::dhcp6::kind;
use gateway_tests::fleet::{Action, Fleet, FleetConfig, Tagging};
use gateway_tests::lab::Lab;
use gateway_tests::namespace::Namespace;
use gateway_tests::plan::Plan;
use gateway_tests::process::resident;
use gateway_tests::server::{Kind, Server, Service};

use super::{MESSAGES, Options};
use crate::bench::report::{Report, Row};

/// RELEASEs of single clients per second: what Kea bears on two cores beside the gateway.
const RELEASE_RATE: u32 = 2000;
/// RELEASE-REQUESTs per second, and unanswered ones.
const REQUESTS: (u32, u32) = (1000, 16);
/// Logins per second while filling.
const LOGIN_RATE: u32 = 2000;
/// Leases of a client.
const LEASES: u64 = 2;
/// How often it is looked whether the map is empty.
const INTERVAL: Duration = Duration::from_millis(2);
/// Where the gateway of a lab pins its maps.
const PINS: &str = "/sys/fs/bpf/gateway";

/// How clients are released.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// One message.
    Single,
    /// RELEASE-REQUESTs.
    Batches,
    /// One RELEASE for each, by a server that does not know anything else.
    Individual,
}

/// What one release took.
struct Release {
    seconds: f64,
    messages: f64,
    /// RELEASE-REQUESTs that named clients.
    batches: f64,
    /// Octets by which the daemon grew, for each client.
    memory: f64,
}

pub(super) fn run(options: &Options) -> Result<()> {
    let clients = options.sessions;
    let mut report = Report::new("logout", 1);
    let individual = release(Kind::Embedded, Way::Individual, clients).context("RELEASEs to the embedded server")?;
    let kea = release(Kind::Kea, Way::Individual, clients).context("RELEASEs to Kea")?;
    let batches = release(Kind::Embedded, Way::Batches, clients).context("RELEASE-REQUESTs")?;
    let single = release(Kind::Embedded, Way::Single, clients).context("single logout")?;
    let name = format!("logout6/{clients}");
    let one_by_one = format!("{name}/individual");
    let rows: [(&str, &'static str, Release); 4] = [
        ("/individual", "s at 2000/s", individual),
        ("/kea-individual", "s at 2000/s", kea),
        ("/batches", "s at 1000/s", batches),
        ("", "s", single),
    ];
    for (way, unit, release) in rows {
        let against = (way != "/individual").then_some(one_by_one.as_str());
        report.add(&format!("{name}{way}"), unit, &[release.seconds], against);
        let messages = format!("{one_by_one}/messages");
        let against = (way != "/individual").then_some(messages.as_str());
        report.add(&format!("{name}{way}/messages"), "messages", &[release.messages], against);
        if way == "/batches" {
            report.add(&format!("{name}{way}/requests"), "batches", &[release.batches], None);
        }
        if way.is_empty() {
            report.add(&format!("{name}/memory/daemon"), "bytes/client", &[release.memory], None);
        }
    }
    report.print(options.json)?;
    let rule =
        format!("{MESSAGES} messages by a single logout; it and batches in less time and messages than one by one");
    report.hold(|row| holds(row, &name), &rule)
}

fn holds(row: &Row, name: &str) -> bool {
    let individual = row.name.contains("individual");
    (row.name != format!("{name}/messages") || (row.min, row.max) == (MESSAGES, MESSAGES))
        && (individual || row.ratio.is_none_or(|ratio| ratio < 1.0))
}

fn release(kind: Kind, way: Way, clients: u32) -> Result<Release> {
    let lab = Lab::up(Plan { fpcs: 1, ipv6: true, ..Plan::default() })?;
    let mut service = Service::relayed(&lab.plan, 0);
    let six = service.six.as_mut().context("a lab with IPv6")?;
    for subnet in &mut six.subnets {
        // Room for a million of each.
        subnet.pool.1 = Ipv6Addr::from_bits(subnet.network.to_bits() | 0xf_ffff);
        subnet.pool_length = 36;
    }
    if way == Way::Individual {
        six.embedded = "release_requests = false\nrefuse_silently = true\n".into();
    }
    let server = Server::start(kind, &lab.servers[0], &service, lab.directory())?;
    let mut configuration = Configuration::new(&lab);
    let capacity = (LEASES as u32 * clients).next_power_of_two();
    configuration.gateway = "kernel_routes = false\n".into();
    configuration.fpc = "hold_down = \"0s\"\n".into();
    configuration.tables = "[limits]\nport_rate = 0\nline_rate = 0\nsubscriber_rate = 0\n".into();
    let (rate, window) = REQUESTS;
    configuration.dhcpv6 = format!(
        "capacity = {capacity}\nbulk_release = {}\nadvertise_every = \"off\"\n\
         [dhcpv6.release]\nrate = {rate}\nwindow = {window}\nindividual_rate = {RELEASE_RATE}\n",
        way == Way::Single
    );
    let gateway = Gateway::start(&lab, &configuration)?;
    let before = resident(gateway.process.pid())?;
    let fleet = fill(&lab, &gateway, clients).with_context(|| server.process.log_end())?;
    let leases = LEASES * u64::from(clients);
    let found = routes(&lab.gateway)?;
    ensure!(found == leases, "{found} routes for {leases} leases");
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 octets")]
    let memory = resident(gateway.process.pid())?.saturating_sub(before) as f64 / f64::from(clients);
    drop(fleet);

    let wire = Capture6::start(&lab.servers[0], "srv0")?;
    let limit = Duration::from_secs(120) + Duration::from_secs(2 * u64::from(clients / RELEASE_RATE));
    let started = Instant::now();
    lab.carrier(0, false)?;
    while !is_empty(&lab.gateway)? {
        let log = || format!("routes left after {limit:?}\n{}\n{:?}", gateway.process.log_end(), wire.counts());
        ensure!(started.elapsed() < limit, log());
        std::thread::sleep(INTERVAL);
    }
    let seconds = started.elapsed().as_secs_f64();
    gateway.wait_for("status", Duration::from_secs(10), |status| status["leases6"] == 0)?;
    let messages = wire.messages();
    let batches = messages.iter().filter(|seen| seen.kind == kind::RELEASE_REQUEST && seen.clients > 0).count();
    Ok(Release { seconds, messages: messages.len() as f64, batches: batches as f64, memory })
}

/// Logs so many clients in, each behind VLAN tags of its own.
fn fill(lab: &Lab, gateway: &Gateway, clients: u32) -> Result<Fleet> {
    let config = FleetConfig {
        count: clients,
        tagging: Tagging::Double { first: 100 },
        ipv4: false,
        ipv6: true,
        renews: false,
        login_rate: LOGIN_RATE,
        ..FleetConfig::default()
    };
    let fleet = Fleet::start(&lab.subscribers[0], "sub0", config)?;
    fleet.tell_all(Action::Start)?;
    let limit = Duration::from_secs(60) + Duration::from_secs(u64::from(4 * clients / LOGIN_RATE));
    let all = LEASES * u64::from(clients);
    gateway.wait_for("status", limit, |status| status["leases6"] == all)?;
    Ok(fleet)
}

/// The access routes that are installed.
fn routes(space: &Namespace) -> Result<u64> {
    space.run(|| Ok(table()?.keys().count() as u64))?
}

fn is_empty(space: &Namespace) -> Result<bool> {
    space.run(|| Ok(table()?.keys().next().is_none()))?
}

fn table() -> Result<HashMap<MapData, Route6Key, AccessRoute>> {
    let path = format!("{PINS}/{}", maps::ROUTES6);
    let data = MapData::from_pin(&path).with_context(|| path.clone())?;
    Ok(Map::from_map_data(data)?.try_into()?)
}
