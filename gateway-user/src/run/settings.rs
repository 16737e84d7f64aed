//! The configuration in the node's terms.

use gateway_common::unit::UnitKey;
use gateway_core::capability::CapabilityConfig;
use gateway_core::fpc::{FpcConfig, Policy, PortConfig, Trigger};
use gateway_core::line::{HardwareAddress, Line};
use gateway_core::liveness::LivenessConfig;
use gateway_core::node::NodeConfig;
use gateway_core::release::{ReleaseConfig, ServerConfig, Verify};
use gateway_core::session::{Lockout, StaticSubscriber};
use gateway_core::time::Duration;

use crate::config::{self, Config, OnRestart, RestartWhen};
use crate::dataplane::Mode;

/// What the node is told. `utc_offset` is local time minus UTC, in seconds.
pub(super) fn node_config(config: &Config, utc_offset: i64) -> anyhow::Result<NodeConfig> {
    let port = |port: &config::AccessPort| PortConfig {
        name: port.name.clone(),
        fpc: port.fpc,
        max_clients: config.fpcs[usize::from(port.fpc.0)].max_clients_per_port,
    };
    let subscriber = |subscriber: &config::StaticSubscriber| StaticSubscriber {
        address: subscriber.address,
        hardware: HardwareAddress::ethernet(subscriber.mac),
        line: Line { port: subscriber.port, tags: subscriber.tags },
    };
    Ok(NodeConfig {
        capacity: config.gateway.capacity,
        fpcs: config.fpcs.iter().map(|card| fpc(card, utc_offset)).collect(),
        ports: config.ports.iter().map(port).collect(),
        statics: config.statics.iter().map(subscriber).collect(),
        lockout: config.limits.lockout.map(|lockout| Lockout {
            cycles: lockout.cycles,
            within: lockout.within,
            lasts: lockout.duration,
        }),
        takeover_after: config.limits.takeover_after,
        relay: config.relay(),
        release: release(config),
        capability: capability(config),
        v6: config.dhcpv6.as_ref().map(|six| super::settings6::v6(config, six)).transpose()?,
        cluster: config.cluster.as_ref().map(|cluster| cluster.member),
        unit_key: config.cluster.as_ref().map_or(UnitKey::NONE, |cluster| cluster.unit_key),
    })
}

/// Whom the node asks whether they are there. It looks often enough that nobody is silent for much longer than configured.
pub(super) fn liveness(config: &Config) -> LivenessConfig {
    let fpcs: Vec<_> = config.fpcs.iter().map(|fpc| fpc.liveness).collect();
    let idle = fpcs.iter().flatten().map(|watch| watch.silent_after).min().unwrap_or_default();
    let period = (idle / 4).clamp(Duration::from_secs(1), Duration::from_secs(30));
    LivenessConfig { fpcs, period, rate: config.limits.probe_rate, ..LivenessConfig::default() }
}

fn fpc(fpc: &config::Fpc, utc_offset: i64) -> FpcConfig {
    FpcConfig {
        name: fpc.name.clone(),
        policy: match fpc.on_restart {
            OnRestart::Logout => Policy::Logout,
            OnRestart::Maintain => Policy::Maintain,
        },
        hold_down: fpc.hold_down,
        schedule: fpc.schedule.map(|schedule| schedule.in_utc(utc_offset)),
        trigger: match fpc.restart_when {
            RestartWhen::AllPorts => Trigger::AllPorts,
            RestartWhen::AnyPort => Trigger::AnyPort,
        },
    }
}

/// The MAC that stands for the shared addresses; zero: the master's own does.
pub(super) fn shared_mac(delivery: config::Delivery) -> [u8; 6] {
    match delivery {
        config::Delivery::Forward => [0; 6],
        config::Delivery::Unicast(mac) | config::Delivery::Multicast(mac) => mac,
    }
}

fn release(config: &Config) -> ReleaseConfig {
    let key = config.relay_auth.as_ref().map(|auth| config.own_key(auth));
    let server = |server: &config::Server| {
        let verify = match server.verify {
            config::Verify::Auto => Verify::Auto,
            config::Verify::Leasequery => Verify::Leasequery,
            config::Verify::None => Verify::Nothing,
        };
        let (rate, replaced) = (server.release_rate, server.release_replaced);
        (server.address, ServerConfig { rate, verify, replaced, ..ServerConfig::default() })
    };
    ReleaseConfig {
        enabled: config.bulk_release.enabled,
        code_points: config.bulk_release.code_points,
        // Without a key it is only enabled where the operator allowed that.
        allow_unauthenticated: config.bulk_release.enabled && key.is_none(),
        restart_hold: config.bulk_release.restart_hold,
        servers: config.servers.iter().map(server).collect(),
        ..ReleaseConfig::new(config.gateway.id.clone(), key)
    }
}

fn capability(config: &Config) -> CapabilityConfig {
    CapabilityConfig {
        authenticated_only: config.relay_auth.is_some(),
        configuration: fingerprint(config),
        ..CapabilityConfig::default()
    }
}

/// Changes with whatever a server's capability was learnt under (FNV-1a).
fn fingerprint(config: &Config) -> u64 {
    let mut text = format!("{:?} {:?}", config.gateway.id, config.bulk_release).into_bytes();
    if let Some(auth) = &config.relay_auth {
        text.extend(auth.key.id.to_be_bytes());
        text.extend(auth.key.secret.octets());
    }
    fnv(&text)
}

/// FNV-1a, 64 bits.
pub(super) fn fnv(octets: &[u8]) -> u64 {
    octets.iter().fold(0xcbf2_9ce4_8422_2325, |hash, octet| (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3))
}

/// How the programs may be attached.
pub(super) fn mode(config: &Config) -> Mode {
    match config.gateway.xdp_mode {
        config::XdpMode::Auto => Mode::Auto,
        config::XdpMode::Native => Mode::Native,
        config::XdpMode::Generic => Mode::Generic,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// What the file says of the replay window reaches relay and server, each for itself (H-BR-16); and which lost ports
    /// make a lost card.
    #[test]
    fn as_configured() {
        for (relay, server) in [(false, false), (true, false), (false, true)] {
            let text = format!(
                "[gateway]\nid = \"BNG-0042\"\n[[fpc]]\nname = \"fpc0\"\nports = [\"eth1\"]\ngiaddr = \"100.64.0.1\"\n\
                 restart_when = \"any-port\"\n[upstream]\nports = [\"eth0\"]\n\
                 [relay_auth]\nkey_id = 1\nkey = \"00112233445566778899aabbccddeeff\"\nreplay_window = {relay}\n\
                 [dhcp_server]\nlisten = \"192.0.2.1\"\nreplay_window = {server}\n\
                 [[dhcp_server.subnet]]\nprefix = \"100.64.0.0/24\"\npool = \"100.64.0.10-100.64.0.20\"\n"
            );
            let config = config::parse(Path::new("no-such-file.toml"), &text).unwrap().gateway.unwrap();
            let node = node_config(&config, 0).unwrap();
            assert_eq!(node.relay.authentication.map(|auth| auth.sliding_window), Some(relay));
            assert_eq!(config.dhcp_server.map(|config| config.bulk_release.replay_window), Some(server));
            assert_eq!(node.fpcs[0].trigger, Trigger::AnyPort);
        }
    }
}
