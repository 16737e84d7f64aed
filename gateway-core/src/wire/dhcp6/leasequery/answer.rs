//! A server's message, read by who asked.

use core::net::Ipv6Addr;

use super::ClientData;
use crate::wire::dhcp6::{Duid, Malformed, Message, Status, code, kind};

/// LEASEQUERY-REPLY, -DATA or -DONE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeaseAnswer<'a> {
    /// [`kind::LEASEQUERY_REPLY`], [`kind::LEASEQUERY_DATA`] or [`kind::LEASEQUERY_DONE`].
    pub kind: u8,
    /// Transaction id.
    pub xid: u32,
    /// Who answers; in a REPLY.
    pub server_id: Option<Duid<'a>>,
    /// Who asked; in a REPLY.
    pub requestor: Option<Duid<'a>>,
    /// What went wrong; none is Success.
    pub status: Option<Status<'a>>,
    /// What the server knows. One by the RFCs, as many as there are in fact.
    pub clients: Vec<ClientData<'a>>,
    /// Links that the client is on, instead of what it has there.
    pub links: Vec<Ipv6Addr>,
}

impl<'a> LeaseAnswer<'a> {
    /// Checks everything down to the last lease.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        let message = Message::parse(octets)?;
        let kinds = [kind::LEASEQUERY_REPLY, kind::LEASEQUERY_DATA, kind::LEASEQUERY_DONE];
        if !kinds.contains(&message.kind()) {
            return Err(Malformed::Kind(message.kind()));
        }
        let options = message.options();
        let links = match options.once(code::LQ_CLIENT_LINK)? {
            None => Vec::new(),
            Some(option) => match option.value.as_chunks::<16>() {
                (links, []) => links.iter().copied().map(Ipv6Addr::from).collect(),
                _ => return Err(option.wrong()),
            },
        };
        Ok(Self {
            kind: message.kind(),
            xid: message.xid(),
            server_id: message.server_id()?,
            requestor: message.client_id()?,
            status: message.status()?,
            clients: options
                .all(code::CLIENT_DATA)
                .map(|option| ClientData::read(&option))
                .collect::<Result<_, _>>()?,
            links,
        })
    }

    /// Whether it answers the question `xid` of `requestor`. A REPLY must name both ends (RFC 5007 section 4.2.2); what
    /// follows it on a connection has the transaction id alone (RFC 5460 section 5.1).
    pub fn answers(&self, xid: u32, requestor: Duid<'_>) -> bool {
        let named = self.server_id.is_some() && self.requestor == Some(requestor);
        self.xid == xid & 0x00ff_ffff && (named || self.kind != kind::LEASEQUERY_REPLY)
    }
}
