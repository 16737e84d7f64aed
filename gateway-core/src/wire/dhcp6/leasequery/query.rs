//! The question.

use core::net::Ipv6Addr;

use thiserror::Error;

use crate::wire::dhcp6::{Binding, Builder, Duid, Malformed, Message, Opt, RemoteId, TooLong, code, kind, status};

/// By what leases are looked for: the query types of RFC 5007 section 4.1.2.1 and RFC 5460 section 5.3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By<'a> {
    /// 1: whose address is it?
    Address(Ipv6Addr),
    /// 2: what has the client?
    ClientId(Duid<'a>),
    /// 3, bulk: what came through the relay?
    RelayId(Duid<'a>),
    /// 4, bulk: what is on the link? The link-address says on which.
    LinkAddress,
    /// 5, bulk: what is on the line?
    RemoteId(RemoteId<'a>),
}

impl By<'_> {
    /// The query type.
    pub fn number(&self) -> u8 {
        match self {
            Self::Address(_) => 1,
            Self::ClientId(_) => 2,
            Self::RelayId(_) => 3,
            Self::LinkAddress => 4,
            Self::RemoteId(_) => 5,
        }
    }

    /// Whether it may be asked over TCP only: a server answers it over UDP with NotAllowed (RFC 5460 section 5.3).
    pub fn is_bulk(&self) -> bool {
        self.number() >= 3
    }
}

/// What is asked: option 44.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question<'a> {
    /// Key of the search.
    pub by: By<'a>,
    /// On one link only, or `::` for all.
    pub link: Ipv6Addr,
    /// Options that are wanted of each client, beside its leases.
    pub requested: Vec<u16>,
}

impl Question<'_> {
    /// A LEASEQUERY. `requestor` is who asks, `server_id` the one who shall answer; over UDP anyone may when it is `None`.
    pub fn message(&self, xid: u32, requestor: Duid<'_>, server_id: Option<Duid<'_>>) -> Result<Vec<u8>, TooLong> {
        let mut out = Builder::message(kind::LEASEQUERY, xid);
        out.duid(code::CLIENT_ID, requestor);
        if let Some(server_id) = server_id {
            out.duid(code::SERVER_ID, server_id);
        }
        let fixed = [&[self.by.number()], &self.link.octets()[..]].concat();
        out.nest(code::LQ_QUERY, &fixed, |out| {
            match self.by {
                By::Address(address) => out.lease(Binding::Address(address), [0, 0], |_| {}),
                By::ClientId(client) => out.duid(code::CLIENT_ID, client),
                By::RelayId(relay) => out.duid(code::RELAY_ID, relay),
                By::LinkAddress => out,
                By::RemoteId(remote) => out.option(code::REMOTE_ID, &remote.encode()),
            };
            if !self.requested.is_empty() {
                out.requested(&self.requested);
            }
        });
        out.finish()
    }
}

/// What was asked wrongly: the server tells it with a status.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum QueryError {
    /// UnknownQueryType.
    #[error("query type {0} is unknown")]
    UnknownType(u8),
    /// MalformedQuery.
    #[error("malformed query: {0}")]
    Malformed(#[from] Malformed),
    /// MalformedQuery: a query by link without a link.
    #[error("malformed query: no link-address")]
    NoLink,
}

impl QueryError {
    /// The status code to tell.
    pub fn status(&self) -> u16 {
        match self {
            Self::UnknownType(_) => status::UNKNOWN_QUERY_TYPE,
            Self::Malformed(_) | Self::NoLink => status::MALFORMED_QUERY,
        }
    }
}

/// A LEASEQUERY as a server receives it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeaseQuery<'a> {
    /// Transaction id.
    pub xid: u32,
    /// Who asks.
    pub requestor: Duid<'a>,
    /// Who shall answer; a server that it does not name is silent (RFC 5007 section 4.2.1).
    pub server_id: Option<Duid<'a>>,
    /// What is asked, or what is wrong with it.
    pub question: Result<Question<'a>, QueryError>,
}

impl<'a> LeaseQuery<'a> {
    /// An error means that the message is discarded: one without a client-id or an option 44, among others (RFC 5007
    /// section 4.2.1).
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        let message = Message::parse(octets)?;
        if message.kind() != kind::LEASEQUERY {
            return Err(Malformed::Kind(message.kind()));
        }
        let requestor = message.client_id()?.ok_or(Malformed::Missing(code::CLIENT_ID))?;
        let query = message.options().once(code::LQ_QUERY)?.ok_or(Malformed::Missing(code::LQ_QUERY))?;
        let server_id = message.server_id()?;
        Ok(Self { xid: message.xid(), requestor, server_id, question: question(&query) })
    }
}

fn question<'a>(query: &Opt<'a>) -> Result<Question<'a>, QueryError> {
    let (fixed, options) = query.container::<17>()?;
    let [number, link @ ..] = fixed;
    let link = Ipv6Addr::from(*link);
    let by = match number {
        1 => {
            options.once(code::IAADDR)?;
            let address = options.bare_leases()?.into_iter().find_map(|lease| match lease.binding {
                Binding::Address(address) => Some(address),
                Binding::Prefix(_) => None,
            });
            By::Address(address.ok_or(Malformed::Missing(code::IAADDR))?)
        }
        2 => By::ClientId(options.duid(code::CLIENT_ID)?.ok_or(Malformed::Missing(code::CLIENT_ID))?),
        3 => By::RelayId(options.duid(code::RELAY_ID)?.ok_or(Malformed::Missing(code::RELAY_ID))?),
        4 if link.is_unspecified() => return Err(QueryError::NoLink),
        4 => By::LinkAddress,
        5 => By::RemoteId(options.remote_id()?.ok_or(Malformed::Missing(code::REMOTE_ID))?),
        other => return Err(QueryError::UnknownType(*other)),
    };
    Ok(Question { by, link, requested: options.requested()?.iter().collect() })
}
