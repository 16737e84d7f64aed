//! A RELEASE-REQUEST, read by a server or by a relay that it passes.

use thiserror::Error;

use super::ReleaseTypes;
use crate::wire::dhcp6::{Duid, Ia, Lease, Malformed, Message, Opt, code};

/// Why a RELEASE-REQUEST is discarded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum RequestRefused {
    /// Options that lie, repeat or contradict themselves.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Another message.
    #[error("type {0} is no RELEASE-REQUEST")]
    Kind(u8),
    /// RR-34.
    #[error("no relay-id")]
    NoRelayId,
    /// RR-35.
    #[error("no client")]
    NoClientData,
    /// RR-36.
    #[error("the client at offset {at} has no client-id")]
    NoClientId {
        /// Offset of its option 45.
        at: usize,
    },
    /// RR-37.
    #[error("no server-id")]
    NoServerId,
    /// RR-37.
    #[error("another server's")]
    ForeignServerId,
    /// A client without an IA, but with something that may be one: to release everything would be a guess.
    #[error("option {code} at offset {at} is not understood, and there is no IA beside it")]
    Content {
        /// The option.
        code: u16,
        /// Its offset.
        at: usize,
    },
}

/// A RELEASE-REQUEST that is complete.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReleaseRequest<'a> {
    /// Transaction id.
    pub xid: u32,
    /// Whom it is for.
    pub server_id: Duid<'a>,
    /// Who asks.
    pub relay_id: Duid<'a>,
    /// Of all clients that have none of their own.
    pub interface_id: Option<&'a [u8]>,
    /// Hundredths of a second since the relay decided. What a server has heard of a client since then is newer than
    /// the request (H-RR-6).
    pub elapsed: Option<u16>,
    /// In the order in which they stand, which is the order to release them in (H-RR-9). One at least.
    pub clients: Vec<RequestedClient<'a>>,
}

/// One client to release.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestedClient<'a> {
    /// As the client gave it when it leased.
    pub client_id: Duid<'a>,
    /// Where it differs from the request's.
    pub interface_id: Option<&'a [u8]>,
    /// IAs to release. One without leases in it: all that it has.
    pub ias: Vec<Ia<'a>>,
    /// Addresses and prefixes to release wherever they are (H-RR-2).
    pub bare: Vec<Lease<'a>>,
}

impl RequestedClient<'_> {
    /// Whether everything that the client has is meant (RR-19).
    pub fn everything(&self) -> bool {
        self.ias.is_empty() && self.bare.is_empty()
    }
}

impl<'a> ReleaseRequest<'a> {
    /// Checks all that can be checked without knowing the server: what a relay needs that remembers what it passed on.
    pub fn parse(octets: &'a [u8], types: ReleaseTypes) -> Result<Self, RequestRefused> {
        match octets.first() {
            Some(&kind) if kind != types.request() => return Err(RequestRefused::Kind(kind)),
            _ => {}
        }
        let message = Message::parse(octets)?;
        let options = message.options();
        let relay_id = options.duid(code::RELAY_ID)?.ok_or(RequestRefused::NoRelayId)?;
        let server_id = message.server_id()?.ok_or(RequestRefused::NoServerId)?;
        let clients: Vec<_> = options.all(code::CLIENT_DATA).map(client).collect::<Result<_, _>>()?;
        if clients.is_empty() {
            return Err(RequestRefused::NoClientData);
        }
        Ok(Self {
            xid: message.xid(),
            server_id,
            relay_id,
            interface_id: options.value(code::INTERFACE_ID)?,
            elapsed: message.elapsed()?,
            clients,
        })
    }

    /// The same, and that it is for the server that calls itself `own`.
    pub fn parse_for(own: Duid<'_>, octets: &'a [u8], types: ReleaseTypes) -> Result<Self, RequestRefused> {
        let request = Self::parse(octets, types)?;
        if request.server_id != own { Err(RequestRefused::ForeignServerId) } else { Ok(request) }
    }
}

fn client<'a>(data: Opt<'a>) -> Result<RequestedClient<'a>, RequestRefused> {
    let (_, options) = data.container::<0>()?;
    let client = RequestedClient {
        client_id: options.duid(code::CLIENT_ID)?.ok_or(RequestRefused::NoClientId { at: data.at })?,
        interface_id: options.value(code::INTERFACE_ID)?,
        ias: options.ias()?,
        bare: options.bare_leases()?,
    };
    let strange = options.iter().find(|option| !matches!(option.code, code::CLIENT_ID | code::INTERFACE_ID));
    match strange.filter(|_| client.everything()) {
        Some(Opt { code, at, .. }) => Err(RequestRefused::Content { code, at }),
        None => Ok(client),
    }
}
