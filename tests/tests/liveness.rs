//! Subscribers that fall silent: the data plane's counters, then questions, then releases in their names.

use anyhow::Result;
use gateway_tests::fleet::{Action, Fleet, FleetConfig, Tagging};
use gateway_tests::plan::Plan;
use gateway_tests::server;
use gateway_tests::stage::{LIMIT, Stage};
use gateway_tests::wait;
use std::time::{Duration, Instant};

/// Questions a second, of all subscribers together.
const RATE: u32 = 20;
/// CPEs of both versions of IP, each behind two tags; and some on one line that answer neighbour solicitations alone.
const TAGGED: u32 = 30;
const DEAF: u32 = 6;

struct World {
    stage: Stage,
    tagged: Fleet,
    deaf: Fleet,
}

impl World {
    fn new(liveness: &str) -> Result<Self> {
        let plan = Plan { fpcs: 1, ipv6: true, ..Plan::default() };
        let stage = Stage::with(
            server::Kind::Embedded,
            plan,
            |_| {},
            |configuration| {
                configuration.fpc += liveness;
                configuration.tables += &format!("[limits]\nprobe_rate = {RATE}\n");
            },
        )?;
        let both = FleetConfig { ipv6: true, ..FleetConfig::default() };
        let tagged = FleetConfig { count: TAGGED, tagging: Tagging::Double { first: 100 }, ..both.clone() };
        let deaf = FleetConfig { count: DEAF, fleet: 1, answers_arp: false, seed: 2, ..both };
        let tagged = Fleet::start(&stage.lab.subscribers[0], "sub0", tagged)?;
        let deaf = Fleet::start(&stage.lab.subscribers[0], "sub0", deaf)?;
        tagged.login_all(LIMIT)?;
        deaf.login_all(LIMIT)?;
        let world = Self { stage, tagged, deaf };
        world.wait_for(TAGGED + DEAF)?;
        Ok(world)
    }

    /// So many subscribers are there, each with its three leases.
    fn wait_for(&self, count: u32) -> Result<()> {
        let all = |status: &serde_json::Value| status["sessions"] == count && status["leases6"] == 2 * count;
        self.stage.gateway.wait_for("status", LIMIT, all).map(drop)
    }

    fn counter(&self, name: &str) -> Result<u64> {
        Ok(self.stage.gateway.show("status")?["counters"][name].as_u64().unwrap_or_default())
    }

    fn sessions_at_servers(&self) -> Result<Vec<u64>> {
        let servers = self.stage.gateway.show("servers")?;
        Ok(servers.as_array().into_iter().flatten().filter_map(|server| server["sessions"].as_u64()).collect())
    }
}

/// RR-1, RR-2, RR-8: who is idle is asked, at a bounded rate, and stays as long as it answers, by ARP or by neighbour
/// advertisements, tagged or not. Three that say nothing more are logged out at the server, by both versions of IP.
#[test]
fn who_is_silent_is_asked_and_logged_out() -> Result<()> {
    let world = World::new("liveness = { idle = \"2s\", probes = 3, interval = \"500ms\" }\n")?;
    let (before, began) = (world.counter("liveness-probes")?, Instant::now());
    wait::until_true("everybody answering", LIMIT, || {
        let alive = world.counter("liveness-alive").is_ok_and(|alive| alive >= u64::from(2 * (TAGGED + DEAF)));
        let deaf = world.deaf.stats().is_ok_and(|stats| stats.counters.nd_answered >= u64::from(DEAF));
        alive && deaf
    })?;
    let (asked, took) = (world.counter("liveness-probes")? - before, began.elapsed());
    let most = (took + Duration::from_secs(1)).as_secs_f64() * f64::from(RATE) * 1.1;
    assert!(asked as f64 <= most, "{asked} questions in {took:?}");
    assert!(world.tagged.stats()?.counters.arp_answered >= u64::from(TAGGED));
    assert_eq!((world.counter("liveness-gone")?, world.deaf.stats()?.counters.arp_answered), (0, 0));
    world.wait_for(TAGGED + DEAF)?;

    for (fleet, cpe) in [(&world.tagged, 3), (&world.tagged, 17), (&world.deaf, 2)] {
        fleet.tell(cpe, Action::PowerOff)?;
    }
    let left = TAGGED + DEAF - 3;
    world.wait_for(left)?;
    assert_eq!(world.counter("liveness-gone")?, 3);
    assert_eq!(world.sessions_at_servers()?, [u64::from(left), u64::from(2 * left)]);
    let log = world.stage.server.process.log();
    assert!(log.contains("release request"), "the server was not told:\n{log}");
    // The others are asked again and again, and stay.
    std::thread::sleep(Duration::from_secs(6));
    world.wait_for(left)?;
    assert_eq!(world.counter("liveness-gone")?, 3);
    // What was released can be had again.
    world.tagged.tell(3, Action::Start)?;
    world.wait_for(left + 1)
}

/// RR-8: nobody asks unless the operator wants it; and a card that has lost its carrier is not asked, nor logged out for it.
#[test]
fn who_is_not_watched_and_who_can_not_answer() -> Result<()> {
    let world = World::new("")?;
    world.tagged.power_off()?;
    std::thread::sleep(Duration::from_secs(5));
    world.wait_for(TAGGED + DEAF)?;
    assert_eq!((world.counter("liveness-probes")?, world.counter("liveness-gone")?), (0, 0));
    drop(world);

    let world =
        World::new("on_restart = \"maintain\"\nliveness = { idle = \"3s\", probes = 2, interval = \"500ms\" }\n")?;
    world.stage.lab.carrier(0, false)?;
    world.stage.gateway.wait_for("fpcs", LIMIT, |fpcs| fpcs[0]["state"] != "up")?;
    let gone = world.counter("liveness-gone")?;
    std::thread::sleep(Duration::from_secs(8));
    assert_eq!(world.counter("liveness-gone")?, gone);
    world.wait_for(TAGGED + DEAF)
}
