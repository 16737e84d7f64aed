//! What relays say of the scope by which they can release, and what they are told about it.

use std::sync::Arc;

use gateway_core::scope::{DeviceIdType, Scope, ScopeKind};
use gateway_core::wire::bulk_release::{BulkRelease, Capability};
use gateway_core::wire::dhcp6::{Duid, Malformed, Options, RelayMessage, code};

use super::Server;
use super::request::Request;
use crate::v6::event::Event;
use crate::v6::leases::Way;

/// Scopes that one single logout may name.
pub(super) const MAX_SCOPES: usize = 8;

impl Server {
    /// How a client's message came. It is tagged by the relay that may release what it asks for, by a scope of that one's
    /// own (BR-4, H-BR-12).
    pub(super) fn way(&mut self, request: &Request<'_>) -> Result<Way, Malformed> {
        let origin = Arc::new(request.origin()?);
        let scope = request.teller().and_then(|relay| Some(self.tag(&relay)?.1));
        if let Some(scope) = &scope
            && let Some(ended) = self.leases.last_cut(scope).filter(|ended| scope.epoch <= *ended)
        {
            self.tell(Event::StaleEpoch { scope: scope.clone(), ended });
        }
        Ok(Way { origin, scope })
    }

    /// What goes into the RELAY-REPL to a relay: the elements that it sent, with what this server can do. A relay that says
    /// nothing of the kind is told nothing, nor is one whose single logouts would be refused.
    pub(super) fn capability(&self, relay: &RelayMessage<'_>) -> Option<(u16, Vec<u8>)> {
        let (mut elements, _) = self.tag(relay)?;
        let said = relay.relay_id().ok().flatten();
        let mut registered = self.config.release.relays.iter().filter_map(|known| known.relay_id.as_ref());
        registered.find(|known| Some(known.as_duid()) == said)?;
        let flags = Capability::RELAY_CAPABLE | Capability::SERVER_CAPABLE | Capability::WILL_REPLY;
        let max_scopes = MAX_SCOPES as u16;
        elements.capability = Some(Capability { version: Capability::VERSION, flags, max_scopes });
        Some((code::VENDOR_OPTS, elements.encode_option_17(self.config.release.single_logout.enterprise)))
    }

    /// The elements of a relay that can send single logouts, and the scope that it names.
    fn tag(&self, relay: &RelayMessage<'_>) -> Option<(BulkRelease, Scope)> {
        if !self.config.release.enabled || !self.config.release.single_logout.enabled {
            return None;
        }
        let elements = self.elements(relay.options())?;
        elements.capability.filter(|can| can.flags & Capability::RELAY_CAPABLE != 0)?;
        let [scope] = &elements.scopes[..] else { return None };
        let scope = scope.clone();
        let own = relay.relay_id().ok().flatten().is_some_and(|relay_id| is_of(&scope, relay_id));
        (own && elements.transaction.is_none()).then_some((elements, scope))
    }

    /// The first option 17 that has elements under our number; none where it can't be read.
    pub(super) fn elements(&self, options: Options<'_>) -> Option<BulkRelease> {
        let pen = self.config.release.single_logout.enterprise;
        options.all(code::VENDOR_OPTS).find_map(|option| BulkRelease::decode_option_17(option.value, pen).ok()?)
    }
}

/// Whether a scope is one of this relay's DHCPv6 leases.
pub(super) fn is_of(scope: &Scope, relay: Duid<'_>) -> bool {
    let own = scope.device.id_type() == DeviceIdType::Duid && scope.device.octets() == relay.octets();
    own && !matches!(scope.kind, ScopeKind::Address(_))
}
