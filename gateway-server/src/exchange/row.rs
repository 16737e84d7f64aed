//! A lease as text: what `--json` prints, what goes over the control socket, and what is in a CSV table.

use core::net::IpAddr;

use gateway_core::hex;
use gateway_core::wire::dhcp6::RelayMessage;
use serde::{Deserialize, Serialize};

use super::{Lease, NEVER, State, What, text};
use crate::v6::MAX_PATH;

/// A lease. Its times are UTC as RFC 3339 writes them, or `never`; its octets hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Address, or prefix with its length.
    pub address: String,
    /// Its [`State`].
    pub state: String,
    /// Hardware address, with colons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Option 61.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The DHCPv6 client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duid: Option<String>,
    /// Its identity association.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iaid: Option<u32>,
    /// Last transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// End of the preferred lifetime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred: Option<String>,
    /// End of the lease; absent when it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// giaddr or link-address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay: Option<String>,
    /// DUID of the DHCPv6 relay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay_id: Option<String>,
    /// Where the DHCPv6 client's last message came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// The relays' headers around it, by which a gateway restores the client's session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay_message: Option<String>,
    /// Option 82.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_information: Option<String>,
    /// What a single logout ends it by: device, address or group, epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

impl From<&Lease> for Row {
    fn from(lease: &Lease) -> Self {
        let some = |octets: &[u8]| (!octets.is_empty()).then(|| hex(octets));
        let is_six = matches!(lease.what, What::Six(_));
        let over = !lease.state.holds() && lease.state != State::Quarantined;
        let has_client = lease.has_client();
        Self {
            address: lease.what.to_string(),
            state: lease.state.name().to_owned(),
            mac: (lease.hardware.hlen() > 0).then(|| text::hardware(&lease.hardware)),
            client_id: some(&lease.client).filter(|_| !is_six),
            duid: some(&lease.client).filter(|_| is_six),
            iaid: (is_six && has_client).then_some(lease.iaid),
            last: (lease.last > 0).then(|| text::utc(lease.last)),
            preferred: (is_six && !over && has_client).then(|| text::utc(lease.preferred)),
            expires: (!over || lease.expires != NEVER).then(|| text::utc(lease.expires)),
            relay: (!lease.relay.is_unspecified()).then(|| lease.relay.to_string()),
            relay_id: some(&lease.relay_id),
            peer: (!lease.peer.is_unspecified()).then(|| lease.peer.to_string()),
            relay_message: some(&lease.path),
            agent_information: some(&lease.agent_information),
            scope: lease.scope.as_ref().map(text::scope),
        }
    }
}

impl Row {
    /// The lease.
    ///
    /// # Errors
    /// When a part of it is not what it should be; the text names it.
    pub fn lease(&self) -> Result<Lease, String> {
        let wrong = |what: &str, text: &str| format!("`{}` is no {what}", text.escape_debug());
        let what: What = self.address.parse().map_err(|()| wrong("address or prefix", &self.address))?;
        let is_six = matches!(what, What::Six(_));
        let octets = |field: &Option<String>, name: &str, most: usize| match field {
            None => Ok(Vec::new()),
            Some(field) => text::octets(field).filter(|octets| octets.len() <= most).ok_or_else(|| wrong(name, field)),
        };
        let time = |field: &Option<String>, otherwise: u64| match field {
            None => Ok(otherwise),
            Some(field) => {
                text::read_utc(field).ok_or_else(|| wrong("time such as 2026-11-22T12:00:00Z, or never", field))
            }
        };
        let mut lease = Lease::new(what);
        lease.state = self.state.parse()?;
        if let Some(mac) = &self.mac {
            lease.hardware = text::read_hardware(mac).ok_or_else(|| wrong("hardware address", mac))?;
        }
        lease.client = match is_six {
            true => octets(&self.duid, "DUID", 130)?,
            false => octets(&self.client_id, "client identifier", 255)?,
        };
        lease.iaid = self.iaid.unwrap_or_default();
        lease.last = time(&self.last, 0)?;
        lease.expires = time(&self.expires, NEVER)?;
        lease.preferred = time(&self.preferred, if is_six { lease.expires } else { 0 })?;
        if lease.state.holds() && self.expires.is_none() {
            return Err(format!("{} is {} but has no end, which may be never", self.address, self.state));
        }
        if lease.state == State::Active && !lease.has_client() {
            return Err(format!("{} is active but names no client", self.address));
        }
        if let Some(relay) = &self.relay {
            let same = |relay: &IpAddr| relay.is_ipv6() == is_six;
            lease.relay = relay.parse().ok().filter(same).ok_or_else(|| wrong("relay", relay))?;
        }
        lease.relay_id = octets(&self.relay_id, "DUID", 130)?;
        if let Some(peer) = &self.peer {
            lease.peer = peer.parse().map_err(|_| wrong("IPv6 address", peer))?;
        }
        lease.path = octets(&self.relay_message, "RELAY-FORW", MAX_PATH)?;
        if !lease.path.is_empty() && RelayMessage::parse(&lease.path).is_err() {
            return Err(wrong("RELAY-FORW", self.relay_message.as_deref().unwrap_or_default()));
        }
        lease.agent_information = octets(&self.agent_information, "option 82", 255)?;
        if let Some(scope) = &self.scope {
            lease.scope = Some(text::read_scope(scope).ok_or_else(|| wrong("scope", scope))?);
        }
        Ok(lease)
    }

    /// Its scope in a few words.
    pub fn scope_for_people(&self) -> Option<String> {
        self.scope.as_deref().and_then(text::read_scope).as_ref().map(text::scope_for_people)
    }
}
