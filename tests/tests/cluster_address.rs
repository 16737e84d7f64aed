//! What a cluster looks like from outside: one gateway.

use anyhow::Result;
use gateway_tests::capture::Capture;
use gateway_tests::daemon::Configuration;
use gateway_tests::dhcp::kind;
use gateway_tests::fleet::{Fleet, FleetConfig};
use gateway_tests::lab::Lab;
use gateway_tests::members::{Delivery, LIMIT, Members};
use gateway_tests::plan::Plan;
use gateway_tests::server::{self, Server, Service};
use std::collections::BTreeSet;

const SUBSCRIBERS: u32 = 60;

/// CL-2: whichever member relays, servers and subscribers hear the same address, and nothing in a message tells members apart.
#[test]
fn every_member_speaks_as_the_cluster() -> Result<()> {
    let lab = Lab::up(Plan { fpcs: 1, members: 3, ..Plan::default() })?;
    let service = Service::relayed(&lab.plan, 0);
    let _server = Server::start(server::Kind::Kea, &lab.servers[0], &service, lab.directory())?;
    let _members = Members::start(&lab, &Configuration::new(&lab), Delivery::Unicast, 3)?;
    let upstream = Capture::start(&lab.servers[0], "srv0")?;
    let downstream = Capture::start(&lab.subscribers[0], "sub0")?;
    let config = FleetConfig { count: SUBSCRIBERS, ..FleetConfig::default() };
    Fleet::start(&lab.subscribers[0], "sub0", config)?.login_all(LIMIT)?;

    let requests: Vec<_> = upstream.messages().into_iter().filter(|seen| seen.kind == kind::REQUEST).collect();
    let senders: BTreeSet<_> = requests.iter().map(|seen| seen.source_mac).collect();
    assert_eq!(senders.len(), 3, "each member relays its part: {senders:x?}");
    let sources: BTreeSet<_> = requests.iter().map(|seen| (seen.source, seen.ports)).collect();
    assert_eq!(sources.len(), 1, "{sources:?}");
    let giaddrs: BTreeSet<_> = requests.iter().map(|seen| seen.message[24..28].to_vec()).collect();
    assert_eq!(giaddrs, [lab.plan.giaddr(0).octets().to_vec()].into());

    let replies: Vec<_> = downstream.messages().into_iter().filter(|seen| seen.kind == kind::ACK).collect();
    let senders: BTreeSet<_> = replies.iter().map(|seen| seen.source_mac).collect();
    assert_eq!(senders.len(), 3, "and answers it: {senders:x?}");
    let sources: BTreeSet<_> = replies.iter().map(|seen| (seen.source, seen.ports)).collect();
    assert_eq!(sources.len(), 1, "{sources:?}");
    Ok(())
}
