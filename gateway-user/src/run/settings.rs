//! The configuration in the node's terms.

use gateway_core::fpc::{FpcConfig, Policy, PortConfig, Trigger};
use gateway_core::line::{HardwareAddress, Line};
use gateway_core::node::NodeConfig;
use gateway_core::session::{Lockout, StaticSubscriber};

use crate::config::{Config, OnRestart};
use crate::dataplane::Mode;

/// What the node is told.
pub(super) fn node_config(config: &Config) -> NodeConfig {
    NodeConfig {
        capacity: config.gateway.capacity,
        fpcs: config.fpcs.iter().map(fpc).collect(),
        ports: config
            .ports
            .iter()
            .map(|port| PortConfig {
                name: port.name.clone(),
                fpc: port.fpc,
                max_clients: config.fpcs[usize::from(port.fpc.0)].max_clients_per_port,
            })
            .collect(),
        statics: config
            .statics
            .iter()
            .map(|subscriber| StaticSubscriber {
                address: subscriber.address,
                hardware: HardwareAddress::ethernet(subscriber.mac),
                line: Line { port: subscriber.port, tags: subscriber.tags },
            })
            .collect(),
        lockout: config.limits.lockout.map(|lockout| Lockout {
            cycles: lockout.cycles,
            within: lockout.within,
            lasts: lockout.duration,
        }),
    }
}

fn fpc(fpc: &crate::config::Fpc) -> FpcConfig {
    FpcConfig {
        name: fpc.name.clone(),
        policy: match fpc.on_restart {
            OnRestart::Logout => Policy::Logout,
            OnRestart::Maintain => Policy::Maintain,
        },
        hold_down: fpc.hold_down,
        schedule: fpc.schedule.map(|schedule| schedule.in_utc(utc_offset())),
        trigger: Trigger::default(),
    }
}

/// Local time minus UTC, in seconds, as of now.
fn utc_offset() -> i64 {
    // SAFETY: `tm` is plain data, for which zero is a valid value.
    let mut local: libc::tm = unsafe { std::mem::zeroed() };
    let now = crate::io::clock::unix().as_secs() as libc::time_t;
    // SAFETY: both pointers are to live values; localtime_r fills the second.
    unsafe { libc::localtime_r(&raw const now, &raw mut local) };
    local.tm_gmtoff
}

/// How the programs may be attached.
pub(super) fn mode(config: &Config) -> Mode {
    match config.gateway.xdp_mode {
        crate::config::XdpMode::Auto => Mode::Auto,
        crate::config::XdpMode::Native => Mode::Native,
        crate::config::XdpMode::Generic => Mode::Generic,
    }
}
