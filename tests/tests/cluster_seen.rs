//! Members that tell each other whom they saw: of what one subscriber sends each sees a part.

use anyhow::{Context, Result};
use gateway_tests::daemon::{Configuration, Gateway};
use gateway_tests::fleet::{Action, Fleet, FleetConfig, TrafficPlan};
use gateway_tests::lab::Lab;
use gateway_tests::members::{Delivery, LIMIT, Members};
use gateway_tests::plan::Plan;
use gateway_tests::server::{self, Server, Service};
use gateway_tests::traffic::Echo;
use gateway_tests::wait;
use serde_json::Value;
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

const SUBSCRIBERS: u32 = 30;
/// More of them, by IPv4 alone.
const BY_ARP: u32 = 6;
/// Seconds.
const TAKEOVER_AFTER: u64 = 5;

/// One must not slow the other down.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Every member has so many sessions of DHCPv4, and both leases of DHCPv6 of so many subscribers.
fn wait_sessions(members: &Members, four: u32, six: u32, limit: Duration) -> Result<()> {
    let all = |status: &Value| status["sessions"] == four && status["leases6"] == 2 * six;
    members.running().try_for_each(|gateway| gateway.wait_for("status", limit, all).map(drop))
}

fn counter(members: &Members, name: &str) -> u64 {
    let of = |gateway: &gateway_tests::daemon::Gateway| gateway.show("status").ok()?["counters"][name].as_u64();
    members.running().filter_map(of).sum()
}

/// Of each lease of all, at one member: seconds since anybody saw it, and packets that this member has forwarded from it.
fn leases(gateway: &Gateway) -> Result<Vec<(Option<u64>, u64)>> {
    let of = |row: &Value| (row["idle"].as_u64(), row["up_packets"].as_u64().unwrap_or_default());
    let rows = gateway.sessions()?;
    let six = rows.iter().flat_map(|row| row["leases6"].as_array().into_iter().flatten());
    Ok(rows.iter().chain(six).map(of).collect())
}

/// CL-52: everybody uses each of its leases for longer than `takeover_after`, each through one member. All members know it, and
/// whoever turns up with the same MACs on another line gets none of them, at whichever member. When nobody uses them it does.
#[test]
fn what_others_see_is_in_use() -> Result<()> {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let lab = Lab::up(Plan { fpcs: 2, members: 3, shared_giaddr: true, ipv6: true, ..Plan::default() })?;
    let service = Service::relayed(&lab.plan, 0);
    let _server = Server::start(server::Kind::Embedded, &lab.servers[0], &service, lab.directory())?;
    let _echoes = (Echo::start(&lab.servers[0])?, Echo::start6(&lab.servers[0])?);
    let mut configuration = Configuration::new(&lab);
    configuration.tables += &format!("[limits]\ntakeover_after = \"{TAKEOVER_AFTER}s\"\n");
    let members = Members::start(&lab, &configuration, Delivery::Unicast, 3)?;
    let config = FleetConfig { count: SUBSCRIBERS, ipv6: true, ..FleetConfig::default() };
    let fleet = Fleet::start(&lab.subscribers[0], "sub0", config.clone())?;
    fleet.login_all(LIMIT)?;
    wait_sessions(&members, SUBSCRIBERS, SUBSCRIBERS, LIMIT)?;
    let logged_in = Instant::now();

    let plan = TrafficPlan { rate: 600, duration: Duration::from_secs(25), size: 100 };
    fleet.start_traffic(plan)?;
    // Logins keep leases, too: what they say must be too old to matter.
    sleep(Duration::from_secs(TAKEOVER_AFTER + 1).saturating_sub(logged_in.elapsed()));
    for gateway in members.running() {
        let leases = leases(gateway)?;
        assert_eq!(leases.len() as u32, 3 * SUBSCRIBERS);
        assert!(leases.iter().any(|(_, packets)| *packets == 0), "one member has seen everything: {leases:?}");
        wait::until_true("a member that knows of everybody", Duration::from_secs(8), || {
            self::leases(gateway).is_ok_and(|leases| leases.iter().all(|(idle, _)| idle.is_some_and(|idle| idle < 4)))
        })
        .with_context(|| format!("{leases:?}"))?;
    }
    let before = counter(&members, "refused-in-use");
    let strangers = Fleet::start(&lab.subscribers[1], "sub0", FleetConfig { seed: 2, ..config })?;
    assert!(strangers.login_all(Duration::from_secs(4)).is_err(), "somebody else's leases were given away");
    let got = strangers.with(|crowd, _| crowd.held6().into_iter().flatten().count())?;
    assert_eq!((strangers.addresses()?.iter().flatten().count(), got), (0, 0));
    assert!(counter(&members, "refused-in-use") >= before + u64::from(2 * SUBSCRIBERS));
    let sent = fleet.traffic_so_far()?.sent;
    assert!(sent < u64::from(plan.rate) * plan.duration.as_secs(), "nobody sent any more while the strangers asked");

    let report = fleet.finish_traffic()?;
    assert_eq!((report.lost(), report.misdelivered, report.silent), (0, 0, 0), "{report:?}");
    fleet.power_off()?;
    strangers
        .wait_for_all("logged in where nobody else is", Duration::from_secs(60), |stats, count| stats.ready == count)?;
    wait_sessions(&members, SUBSCRIBERS, SUBSCRIBERS, LIMIT)
}

/// RR-1, RR-8, CL-52: the keeper asks those whom no member saw, and they stay as long as they answer, some of them by ARP alone;
/// those who don't are logged out on all members. Who sends through any member is not even asked.
#[test]
fn who_is_silent_everywhere_is_logged_out() -> Result<()> {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let lab = Lab::up(Plan { fpcs: 1, members: 3, ipv6: true, ..Plan::default() })?;
    let service = Service::relayed(&lab.plan, 0);
    let _server = Server::start(server::Kind::Embedded, &lab.servers[0], &service, lab.directory())?;
    let _echoes = (Echo::start(&lab.servers[0])?, Echo::start6(&lab.servers[0])?);
    let mut configuration = Configuration::new(&lab);
    configuration.fpc += "liveness = { idle = \"3s\", probes = 3, interval = \"500ms\" }\n";
    let members = Members::start(&lab, &configuration, Delivery::Forward, 3)?;
    let config = FleetConfig { count: SUBSCRIBERS, ipv6: true, ..FleetConfig::default() };
    let by_arp = FleetConfig { count: BY_ARP, fleet: 1, seed: 2, ..FleetConfig::default() };
    let (fleet, by_arp) =
        (Fleet::start(&lab.subscribers[0], "sub0", config)?, Fleet::start(&lab.subscribers[0], "sub0", by_arp)?);
    fleet.login_all(LIMIT)?;
    fleet.start_traffic(TrafficPlan { rate: 600, duration: Duration::from_secs(18), size: 100 })?;
    wait_sessions(&members, SUBSCRIBERS, SUBSCRIBERS, LIMIT)?;
    // Whom a member alone took for silent, because it sees none of what somebody sends, would be asked from the ninth second on.
    sleep(Duration::from_secs(8));
    let asked = counter(&members, "liveness-probes");
    sleep(Duration::from_secs(8));
    assert_eq!(counter(&members, "liveness-probes"), asked, "somebody was asked who is there");
    let report = fleet.finish_traffic()?;
    assert_eq!((report.lost(), report.duplicates, report.misdelivered, report.silent), (0, 0, 0, 0), "{report:?}");

    by_arp.login_all(LIMIT)?;
    let all = SUBSCRIBERS + BY_ARP;
    wait_sessions(&members, all, SUBSCRIBERS, LIMIT)?;
    wait::until_true("everybody answering", Duration::from_secs(60), || {
        let by_arp = by_arp.stats().is_ok_and(|stats| stats.counters.arp_answered >= u64::from(2 * BY_ARP));
        by_arp && counter(&members, "liveness-alive") >= u64::from(2 * all)
    })?;
    assert_eq!(counter(&members, "liveness-gone"), 0);
    for cpe in [3, 17, 22] {
        fleet.tell(cpe, Action::PowerOff)?;
    }
    wait_sessions(&members, all - 3, SUBSCRIBERS - 3, Duration::from_secs(60))?;
    assert_eq!(counter(&members, "liveness-gone"), 3);
    // The others stay.
    sleep(Duration::from_secs(10));
    assert_eq!(counter(&members, "liveness-gone"), 3);
    wait_sessions(&members, all - 3, SUBSCRIBERS - 3, LIMIT)
}
