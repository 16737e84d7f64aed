//! Which leases.

use serde::{Deserialize, Serialize};

use super::{Cidr, Lease, State, text};

/// Leases that all of this is true of.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Of this prefix. A delegated prefix that has the address inside counts, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Cidr>,
    /// Of the client with this hardware address: hexadecimal digits, with or without colons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Of the client with this client identifier or DUID, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// In one of these states; empty: in any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<State>,
    /// Tagged with a scope of which a part is this: the device, or the address or group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

impl Filter {
    /// Whether a lease is one of them.
    pub fn admits(&self, lease: &Lease) -> bool {
        let same = |wanted: &Option<String>, octets: &[u8]| {
            wanted.as_ref().is_none_or(|wanted| !octets.is_empty() && text::octets(wanted).as_deref() == Some(octets))
        };
        (self.states.is_empty() || self.states.contains(&lease.state))
            && self.within.as_ref().is_none_or(|within| within.meets(&lease.what))
            && same(&self.mac, lease.hardware.address())
            && same(&self.client, &lease.client)
            && self
                .scope
                .as_ref()
                .is_none_or(|wanted| lease.scope.as_ref().is_some_and(|scope| text::scope_has(scope, wanted)))
    }

    /// What of it can't be meant.
    pub fn mistake(&self) -> Option<String> {
        let wrong = |text: &Option<String>| text.as_ref().filter(|text| text::octets(text).is_none()).cloned();
        [&self.mac, &self.client].into_iter().find_map(wrong).map(|text| format!("`{text}` is not hexadecimal digits"))
    }
}
