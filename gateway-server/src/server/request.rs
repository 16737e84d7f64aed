//! A message from a client or relay, with everything the server reads from it.

use core::net::{Ipv4Addr, SocketAddrV4};
use std::borrow::Cow;

use gateway_core::scope::Scope;
use gateway_core::wire::Malformed;
use gateway_core::wire::agent::{AgentInformation, sub};
use gateway_core::wire::bulk_release::{BulkRelease, CodePoints, Operation};
use gateway_core::wire::dhcp4::{Message, code};
use gateway_core::wire::relay_auth::Verified;

use crate::leases::Client;

#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) source: SocketAddrV4,
    pub(super) message: Message<'a>,
    /// Option 61; none when empty.
    client_id: Option<Cow<'a, [u8]>>,
    /// The value of option 82, its parts joined, of a relay's message. Without a relay anybody may have written it, and
    /// nothing proves it: it goes back and is not read.
    pub(super) agent_information: Option<Cow<'a, [u8]>>,
    /// The same without a relay.
    pub(super) unread: Option<Cow<'a, [u8]>>,
    /// The bulk release elements in it.
    pub(super) release: Result<Option<BulkRelease>, Malformed>,
    /// What sub-option 8 proved, once it was looked at.
    pub(super) verified: Option<Verified>,
    /// Classes of the client and its reservations, once it was recognised.
    pub(super) classes: Vec<u16>,
    pub(super) reservations: Vec<u32>,
    /// Whether option 118 chooses the subnet.
    pub(super) selects: bool,
    /// An address that was asked and did not answer, and how many were asked.
    pub(super) silent: Option<Ipv4Addr>,
    pub(super) tries: u8,
}

impl<'a> Request<'a> {
    pub(super) fn read(source: SocketAddrV4, payload: &'a [u8], points: &CodePoints) -> Option<Self> {
        let message = Message::parse(payload).ok()?;
        let client_id = message.option(code::CLIENT_ID).filter(|id| !id.is_empty());
        let agent_information = message.option(code::AGENT_INFORMATION);
        let fits = |value: &Option<Cow<'_, [u8]>>| value.as_ref().is_none_or(|value| value.len() <= 255);
        if !fits(&client_id) || !fits(&agent_information) {
            return None;
        }
        let selects = agent_information.is_none();
        let (agent_information, unread) = match message.giaddr().is_unspecified() {
            true => (None, agent_information),
            false => (agent_information, None),
        };
        let release = match agent_information.as_deref().map(AgentInformation::parse) {
            Some(Ok(agent)) => BulkRelease::decode(&agent, points),
            // Sub-options that can't be read are echoed all the same.
            Some(Err(_)) | None => Ok(None),
        };
        let (classes, reservations) = (Vec::new(), Vec::new());
        Some(Self {
            source,
            message,
            client_id,
            agent_information,
            unread,
            release,
            verified: None,
            classes,
            reservations,
            selects,
            silent: None,
            tries: 0,
        })
    }

    pub(super) fn client(&self) -> Client<'_> {
        Client { id: self.client_id.as_deref(), hardware: self.message.hardware().trimmed() }
    }

    /// Whether the client can be told from others at all.
    pub(super) fn names_client(&self) -> bool {
        self.client_id.is_some() || self.message.hardware().hlen() > 0
    }

    pub(super) fn is_relayed(&self) -> bool {
        !self.message.giaddr().is_unspecified()
    }

    /// A sub-option of option 82.
    pub(super) fn sub(&self, code: u8) -> Option<&[u8]> {
        sub_option(self.agent_information.as_deref()?, code)
    }

    /// The link the client is on: link selection (RFC 3527), subnet selection (RFC 3011), giaddr, or its own address.
    pub(super) fn link(&self) -> Option<Ipv4Addr> {
        let selected = self.sub(sub::LINK_SELECTION).and_then(address);
        let selected = selected.or_else(|| self.selection());
        let own = if self.is_relayed() { self.message.giaddr() } else { self.message.ciaddr() };
        selected.or(Some(own)).filter(|link| !link.is_unspecified())
    }

    /// The subnet that the client itself selects (RFC 3011), where it may.
    pub(super) fn selection(&self) -> Option<Ipv4Addr> {
        self.message.address_option(code::SUBNET_SELECTION).filter(|_| self.selects)
    }

    /// Whether it asks for its lease in one exchange (RFC 4039 section 4: the option is empty).
    pub(super) fn is_rapid(&self) -> bool {
        self.message.option(code::RAPID_COMMIT).is_some_and(|value| value.is_empty())
    }

    /// The server identifier the relay wants to see (RFC 5107).
    pub(super) fn override_id(&self) -> Option<Ipv4Addr> {
        self.sub(sub::SERVER_ID_OVERRIDE).and_then(address)
    }

    /// The tag of a login.
    pub(super) fn scope(&self) -> Option<&Scope> {
        self.release.as_ref().ok()?.as_ref()?.scopes.first()
    }

    /// Whether it is a single logout or a probe: of the request type, without a client, with a transaction.
    pub(super) fn is_bulk_release(&self, points: &CodePoints) -> bool {
        let transaction = match &self.release {
            Ok(release) => release.as_ref().and_then(|release| release.transaction),
            Err(_) => return self.message.kind() == Some(points.request_type) && !self.names_client(),
        };
        self.message.kind() == Some(points.request_type)
            && !self.names_client()
            && self.message.ciaddr().is_unspecified()
            && transaction.is_some_and(|transaction| transaction.operation != Operation::Result)
    }
}

/// A sub-option of the value of an option 82.
pub(super) fn sub_option(agent_information: &[u8], code: u8) -> Option<&[u8]> {
    AgentInformation::parse(agent_information).ok()?.get(code)
}

/// A sub-option's value as an address.
pub(super) fn address(value: &[u8]) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?))
}
