//! What the configuration means for the relay.

use gateway_core::relay::{Authentication, FpcConfig, PortConfig, RelayConfig, Template};
use gateway_core::scope::ScopeKind;
use gateway_core::wire::relay_auth::Key;

use super::types::{Config, Fpc, RelayAuth};

impl Config {
    /// What the relay is told.
    pub fn relay(&self) -> RelayConfig {
        let template = |text: &String| Template::new(text).expect("looked at when the file was read");
        let fpc = |fpc: &Fpc| FpcConfig {
            name: fpc.name.clone(),
            giaddr: fpc.giaddr,
            group: match &fpc.scope {
                ScopeKind::Group(group) => Some(group.clone()),
                ScopeKind::Address(_) | ScopeKind::Device => None,
            },
            trust_option_82: fpc.trust_option_82,
            link_selection: fpc.link_selection,
            server_id_override: fpc.server_id_override,
        };
        RelayConfig {
            points: self.bulk_release.code_points,
            bulk_release: self.bulk_release.enabled,
            servers: self.servers.iter().map(|server| server.address).collect(),
            fpcs: self.fpcs.iter().map(fpc).collect(),
            ports: self.ports.iter().map(|port| PortConfig { name: port.name.clone(), fpc: port.fpc }).collect(),
            circuit_id: template(&self.relay.circuit_id),
            remote_id: Some(&self.relay.remote_id).filter(|text| !text.is_empty()).map(template),
            max_message: self.relay.max_message.into(),
            max_hops: self.relay.max_hops,
            authentication: self.relay_auth.as_ref().map(|auth| Authentication {
                key: self.own_key(auth),
                require_replies: auth.required,
                sliding_window: auth.replay_window,
            }),
            ..RelayConfig::new(self.gateway.id.clone())
        }
    }

    /// Whether the single logout is off for want of a key: nobody has said that it shall be.
    pub(crate) fn lacks_key(&self) -> bool {
        self.bulk_release.wanted && !self.bulk_release.enabled
    }

    /// The key as this gateway signs with it. Members of a cluster share it, and each has a counter of its own.
    pub(crate) fn own_key(&self, auth: &RelayAuth) -> Key {
        Key { relay: self.cluster.as_ref().map_or(0, |cluster| cluster.member.get().into()), ..auth.key.clone() }
    }
}
