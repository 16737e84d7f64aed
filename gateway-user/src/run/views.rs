//! What the node shows of servers, releases and its counters, as rows.

use std::collections::BTreeMap;

use gateway_core::time::Instant;

use super::Gateway;
use crate::control::protocol;

impl Gateway {
    pub(super) fn servers(&self, _now: Instant) -> Vec<protocol::Server> {
        let embedded = self.config.dhcp_server.as_ref().map(|server| server.listen);
        let servers = self.config.servers.iter().map(|server| protocol::Server {
            address: server.address.to_string(),
            capability: "unknown".to_owned(),
            embedded: embedded == Some(server.address),
            release_rate: server.release_rate,
            ..protocol::Server::default()
        });
        servers.collect()
    }

    pub(super) fn releases(&self, _now: Instant) -> Vec<protocol::Release> {
        Vec::new()
    }

    pub(super) fn counters(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }
}
