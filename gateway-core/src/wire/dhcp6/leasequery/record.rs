//! What a server knows of one client: option 45, and the messages that carry it.

use core::net::Ipv6Addr;

use crate::wire::dhcp6::{
    Binding, Builder, Duid, Lease, Malformed, NEST_MAX, OPTION_HEADER, Opt, Options, RelayMessage, TooLong, code, kind,
};

/// Option 45 of an answer, read in place (RFC 5007 section 4.1.2.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientData<'a> {
    /// Whose leases they are.
    pub client_id: Option<Duid<'a>>,
    /// Addresses and prefixes with the lifetimes that are left. Their IAIDs are not told.
    pub leases: Vec<Lease<'a>>,
    /// Option 46: seconds since the server last spoke with the client.
    pub since: Option<u32>,
    /// Option 47: through which relays.
    pub relay: Option<RelayData<'a>>,
    /// Everything, options that were asked for included.
    pub options: Options<'a>,
}

/// Option 47: the client's last message as relays brought it (RFC 5007 section 4.1.2.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RelayData<'a> {
    /// Who sent it to the server.
    pub peer: Ipv6Addr,
    /// The RELAY-FORW without what the client said, not looked into; see [`crate::wire::dhcp6::Nest::without_message`].
    pub message: &'a [u8],
}

impl<'a> RelayData<'a> {
    /// The relays, outermost first, [`NEST_MAX`] at most. The innermost carries nothing, or a client's message where a
    /// server tells that too.
    pub fn relays(&self) -> Result<Vec<RelayMessage<'a>>, Malformed> {
        let mut relays = vec![RelayMessage::parse(self.message)?];
        while let Some(option) = relays[relays.len() - 1].options().once(code::RELAY_MSG)? {
            if option.value.first().is_none_or(|kind| !kind::is_relayed(*kind)) {
                break;
            }
            if relays.len() == NEST_MAX {
                return Err(Malformed::Depth);
            }
            relays.push(RelayMessage::parse_at(option.value, option.at + OPTION_HEADER)?);
        }
        Ok(relays)
    }
}

impl<'a> ClientData<'a> {
    /// Reads an option 45.
    pub fn read(option: &Opt<'a>) -> Result<Self, Malformed> {
        let (_, options) = option.container::<0>()?;
        let relay = options.once(code::LQ_RELAY_DATA)?.map(|option| {
            let (peer, message) = option.value.split_first_chunk::<16>().ok_or(option.wrong())?;
            Ok(RelayData { peer: (*peer).into(), message })
        });
        Ok(Self {
            client_id: options.duid(code::CLIENT_ID)?,
            leases: options.bare_leases()?,
            since: options.u32(code::CLT_TIME)?,
            relay: relay.transpose()?,
            options,
        })
    }
}

/// What a server tells of one client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientRecord<'a> {
    /// Who it is.
    pub client_id: Duid<'a>,
    /// What it has, with the preferred and the valid lifetime that are left, in seconds.
    pub leases: Vec<(Binding, [u32; 2])>,
    /// Seconds since the server last spoke with it.
    pub since: u32,
    /// Its last message as relays brought it, when that was asked for.
    pub relay: Option<RelayData<'a>>,
    /// More options that were asked for, as they stand.
    pub more: &'a [u8],
}

impl ClientRecord<'_> {
    fn write(&self, out: &mut Builder) {
        out.nest(code::CLIENT_DATA, &[], |out| {
            out.duid(code::CLIENT_ID, self.client_id);
            for (binding, lifetimes) in &self.leases {
                out.lease(*binding, *lifetimes, |_| {});
            }
            out.u32(code::CLT_TIME, self.since);
            if let Some(relay) = &self.relay {
                let value = [&relay.peer.octets()[..], relay.message].concat();
                out.option(code::LQ_RELAY_DATA, &value);
            }
            out.raw(self.more);
        });
    }

    /// LEASEQUERY-DATA: one client more (RFC 5460 section 5.2.1).
    pub fn data(&self, xid: u32) -> Result<Vec<u8>, TooLong> {
        let mut out = Builder::message(kind::LEASEQUERY_DATA, xid);
        self.write(&mut out);
        out.finish()
    }
}

/// Whom a server answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answering<'a> {
    /// The query's.
    pub xid: u32,
    /// The query's.
    pub requestor: Duid<'a>,
    /// The server's own.
    pub server_id: Duid<'a>,
}

impl Answering<'_> {
    /// LEASEQUERY-REPLY with a client, the first over TCP, or without any.
    pub fn reply(&self, client: Option<&ClientRecord<'_>>) -> Result<Vec<u8>, TooLong> {
        let mut out = self.head();
        if let Some(client) = client {
            client.write(&mut out);
        }
        out.finish()
    }

    /// LEASEQUERY-REPLY that the client is on several links: to be asked again for each (RFC 5007 section 4.1.2.5).
    pub fn links(&self, links: &[Ipv6Addr]) -> Result<Vec<u8>, TooLong> {
        let value: Vec<u8> = links.iter().flat_map(|link| link.octets()).collect();
        self.head().option(code::LQ_CLIENT_LINK, &value).finish()
    }

    /// LEASEQUERY-REPLY that there is no answer, and why.
    pub fn refuse(&self, status: u16, text: &str) -> Result<Vec<u8>, TooLong> {
        self.head().status(status, text).finish()
    }

    /// LEASEQUERY-DONE: nothing follows, because it was all or because of a status (RFC 5460 section 5.2.2).
    pub fn done(&self, status: Option<(u16, &str)>) -> Result<Vec<u8>, TooLong> {
        let mut out = Builder::message(kind::LEASEQUERY_DONE, self.xid);
        if let Some((code, text)) = status {
            out.status(code, text);
        }
        out.finish()
    }

    fn head(&self) -> Builder {
        let mut out = Builder::message(kind::LEASEQUERY_REPLY, self.xid);
        out.duid(code::SERVER_ID, self.server_id).duid(code::CLIENT_ID, self.requestor);
        out
    }
}
