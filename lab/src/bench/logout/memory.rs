//! What a session costs in memory: in the session table alone, and in the kernel's maps. What the daemon as a whole needs
//! for one is measured with whole releases.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Result;
use gateway_core::line::{FpcId, HardwareAddress, Line, PortId};
use gateway_core::login::Login;
use gateway_core::scope::{Epoch, ScopeKind};
use gateway_core::session::{SessionConfig, Sessions};
use gateway_core::time::{Duration, Instant, WallClock};
use gateway_tests::process::resident;

use super::world::{GIADDR, SERVER, World, address, client_id, mac, tags, unix};
use crate::bench::report::Report;
use xtask::cargo::target;

/// Sessions to divide by.
const SESSIONS: u32 = 1_000_000;

/// Adds the row. Call it first: memory that was given back to the allocator would be used again and not count.
pub(super) fn measure(report: &mut Report) -> Result<()> {
    // Option 82 is as long as the relay makes it: circuit-id, remote-id, relay-id, scope, authentication.
    let directory = tempfile::Builder::new().prefix("bench-logout-").tempdir_in(target())?;
    let mut world = World::new(1, &directory.path().join("store"))?;
    world.log_in_all()?;
    let agent_information = std::mem::take(&mut world.agent_information);
    drop(world);

    let before = resident(std::process::id())?;
    let now = Instant::from_nanos(1_000_000_000_000);
    let config = SessionConfig { capacity: 1 << 20, port_limits: Vec::new(), lockout: None };
    let mut sessions = Sessions::new(config, WallClock::new(now, unix(now).as_nanos() as u64), now);
    for number in 0..SESSIONS {
        let login = Login {
            address: address(number),
            hardware: HardwareAddress::ethernet(mac(number)),
            client_id: Some(Box::from(client_id(number))),
            line: Line { port: PortId(0), tags: tags(number) },
            fpc: FpcId(0),
            epoch: Epoch(7),
            server: SERVER,
            server_identifier: SERVER,
            giaddr: GIADDR,
            agent_information: agent_information.clone().into(),
            scope: Some(ScopeKind::Address(GIADDR)),
            at: now,
            expires: now + Duration::from_secs(3600) + Duration::from_millis(number.into()),
        };
        sessions.bind(login, now).map_err(|refusal| anyhow::anyhow!("session {number}: {refusal}"))?;
        while sessions.poll_command().is_some() {}
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 octets")]
    let octets = (resident(std::process::id())? - before) as f64 / sessions.count() as f64;
    report.add("logout/memory/session-table", "bytes/session", &[octets], None);
    Ok(())
}

/// Octets of the BPF maps this process holds open.
pub(super) fn maps() -> Result<u64> {
    let mut maps = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/fdinfo")? {
        let Ok(text) = fs::read_to_string(entry?.path()) else { continue };
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
        if let (Some(id), Some(octets)) = (field("map_id:"), field("memlock:")) {
            maps.insert(id, octets);
        }
    }
    Ok(maps.values().sum())
}
