//! Subscribers that turn up on another line: the kernel's own tables follow them.

use anyhow::Result;
use gateway_tests::daemon::Configuration;
use gateway_tests::fleet::{Fleet, FleetConfig, Tagging};
use gateway_tests::plan::Plan;
use gateway_tests::server;
use gateway_tests::stage::{LIMIT, Stage};
use gateway_tests::wait;
use std::time::Duration;

/// A client with an address and a prefix moves from one untagged port to another and then behind VLAN tags, without a
/// word. After each move the kernel has routes and neighbours of where it is now, and none of where it was: what the
/// stack sends there would arrive at somebody else's, or nowhere.
#[test]
fn nothing_stays_behind() -> Result<()> {
    let plan = Plan { fpcs: 2, shared_giaddr: true, ipv6: true, ..Plan::default() };
    // Nobody else has the lease: a client that moves need not wait until its old line has been silent for long.
    let soon = |configuration: &mut Configuration| configuration.tables += "[limits]\ntakeover_after = \"1s\"\n";
    let stage = Stage::with(server::Kind::Embedded, plan, |_| {}, soon)?;
    let config = FleetConfig { count: 1, ipv6: true, ..FleetConfig::default() };
    let tagged = FleetConfig { tagging: Tagging::Single { first: 100 }, ..config.clone() };
    let space = &stage.lab.gateway;
    // By the interface that each leads to; the lab has neighbours of its own.
    let kernel = || -> Result<[Vec<String>; 2]> {
        let mac = stage.gateway.sessions()?[0]["mac"].as_str().unwrap_or_default().to_owned();
        let interface = |line: &str| {
            let words: Vec<_> = line.split(' ').collect();
            words.windows(2).find(|pair| pair[0] == "dev").map_or_else(|| line.to_owned(), |pair| pair[1].to_owned())
        };
        let all = |families: [&str; 2], with: &str| -> Result<Vec<String>> {
            let texts = [space.ip(families[0])?, space.ip(families[1])?];
            let lines = texts.iter().flat_map(|text| text.lines()).filter(|line| line.contains(with));
            Ok(lines.map(interface).collect())
        };
        let routes = all(["route show proto 67", "-6 route show proto 67"], "")?;
        Ok([routes, all(["-4 neighbour show nud permanent", "-6 neighbour show nud permanent"], &mac)?])
    };
    for (place, config, port) in [(0, &config, Some("fpc0")), (1, &config, Some("fpc1")), (0, &tagged, None)] {
        let fleet = Fleet::start(&stage.lab.subscribers[place], "sub0", config.clone())?;
        fleet.login_all(LIMIT)?;
        stage.gateway.wait_for("status", LIMIT, |status| status["sessions"] == 1 && status["leases6"] == 2)?;
        // An address, an address and a prefix; of each a route and a neighbour.
        let expected = vec![port.unwrap_or_default().to_owned(); if port.is_some() { 3 } else { 0 }];
        let found = || kernel().unwrap_or_default();
        let what = "what the kernel has to follow the client";
        wait::until_true(what, Duration::from_secs(5), || found() == [expected.clone(), expected.clone()])
            .map_err(|error| error.context(format!("behind {port:?}: {:?}", found())))?;
        fleet.power_off()?;
    }
    Ok(())
}
