//! The dual-stack act: one card's CPEs log in by DHCP and DHCPv6, send from behind their prefixes, and lose their card.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gateway_tests::capture::Capture6;
use gateway_tests::dhcp::kind;
use gateway_tests::dhcp6;
use gateway_tests::fleet::{Fleet, FleetConfig, Tagging, TrafficPlan};
use gateway_tests::plan::Plan;
use gateway_tests::server::Kind;
use gateway_tests::stage::Stage;
use gateway_tests::traffic::Echo;
use gateway_tests::wait;

use super::screen::Screen;

/// How long all logins, or the card's release, may take.
const LIMIT: Duration = Duration::from_secs(60);
/// An IPv4 address, an IPv6 address, and a prefix.
const ROUTES: u32 = 3;

/// Play it with so many CPEs. An error says what was not as it should be.
pub(crate) fn play(screen: &mut Screen, subscribers: u32) -> Result<()> {
    let plan = Plan { fpcs: 1, ipv6: true, ..Plan::default() };
    let single = |configuration: &mut gateway_tests::daemon::Configuration| {
        configuration.dhcpv6 += "bulk_release = true\n";
    };
    let stage = Stage::with(Kind::Embedded, plan, |_| {}, single)?;
    let _echoes = (Echo::start(&stage.lab.servers[0])?, Echo::start6(&stage.lab.servers[0])?);
    let tagging = Tagging::Double { first: 100 };
    let config = FleetConfig { count: subscribers, tagging, ipv6: true, ..FleetConfig::default() };
    let card = Fleet::start(&stage.lab.subscribers[0], "sub0", config)?;
    log_in(screen, "dual-stack CPEs log in", &stage, &card, subscribers)?;

    screen.begin("traffic by both, from LANs");
    let report = card.traffic(TrafficPlan { rate: 2000, duration: Duration::from_secs(2), size: 64 })?;
    ensure!(report.silent == 0 && report.lost() == 0, "traffic was lost: {report:?}");
    let result = format!("{} datagrams and their echoes, a third from behind prefixes, none lost", report.sent);
    screen.end("traffic by both, from LANs", &result);

    card.power_off()?;
    stage.wire.clear();
    let wire6 = Capture6::start(&stage.lab.servers[0], "srv0")?;
    let what = "the card's link flaps";
    screen.begin(what);
    let lost = Instant::now();
    stage.lab.carrier(0, false)?;
    wait_for_routes(screen, what, &stage, subscribers, 0)?;
    let took = lost.elapsed();
    stage.lab.carrier(0, true)?;
    let count6 = |kind| wire6.messages().iter().filter(|seen| seen.kind == kind).count();
    let sent = [
        stage.wire.count(kind::RELEASE),
        stage.wire.count(kind::BULK_RELEASE_REPLY),
        count6(dhcp6::kind::RELEASE_REQUEST),
        count6(dhcp6::kind::RELEASE_REQUEST_REPLY),
    ];
    ensure!(sent == [1; 4], "not one message and one reply of each: {sent:?}, {:?}", wire6.counts());
    let all = ROUTES * subscribers;
    screen.end(what, &format!("one message and one reply of each; routes {all} -> 0 in {} ms", took.as_millis()));

    log_in(screen, "they return", &stage, &card, subscribers)?;
    screen.begin("they log out themselves");
    card.release_all(LIMIT)?;
    wait_for_routes(screen, "they log out themselves", &stage, subscribers, 0)?;
    screen.end("they log out themselves", &format!("routes {all} -> 0: the maps are clean"));
    Ok(())
}

fn log_in(screen: &mut Screen, what: &str, stage: &Stage, card: &Fleet, subscribers: u32) -> Result<()> {
    screen.begin(what);
    card.login_all(LIMIT)?;
    let (count, leases) = (u64::from(subscribers), 2 * u64::from(subscribers));
    // A dual-stack subscriber is one.
    stage.gateway.wait_for("status", LIMIT, |status| status["subscribers"] == count && status["leases6"] == leases)?;
    wait_for_routes(screen, what, stage, 0, ROUTES * subscribers)?;
    let all = ROUTES * subscribers;
    screen.end(what, &format!("{subscribers} subscribers; routes 0 -> {all}: two addresses and a prefix each"));
    Ok(())
}

/// Waits until the kernel's maps have `count` routes.
fn wait_for_routes(screen: &Screen, what: &str, stage: &Stage, subscribers: u32, count: u32) -> Result<()> {
    let all = u64::from(ROUTES * subscribers);
    let routes = || stage.gateway.routes().map(|routes| routes.len() as u64);
    let look = || {
        let now = routes().unwrap_or(u64::MAX);
        if all > 0 {
            screen.progress(what, all.saturating_sub(now), all);
        }
        now == u64::from(count)
    };
    wait::until_true(&format!("{count} routes"), LIMIT, look).with_context(|| format!("there are {:?}", routes().ok()))
}
