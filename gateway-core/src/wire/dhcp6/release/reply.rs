//! A RELEASE-REQUEST-REPLY, read by the relay that asked.

use thiserror::Error;

use super::ReleaseTypes;
use crate::wire::dhcp6::{Duid, Ia, Lease, Malformed, Message, Opt, Status, code};

/// Why a RELEASE-REQUEST-REPLY is discarded. The request is then sent again, as if nothing had come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum ReplyRefused {
    /// Options that lie, repeat or contradict themselves, or a client without a client-id: a failure could be overlooked.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Another message.
    #[error("type {0} is no RELEASE-REQUEST-REPLY")]
    Kind(u8),
    /// RR-39.
    #[error("transaction {0:#08x} is another one")]
    Xid(u32),
    /// RR-40.
    #[error("no status")]
    NoStatus,
    /// Of a server that was not asked.
    #[error("another server's")]
    ForeignServerId,
}

/// A RELEASE-REQUEST-REPLY; [`ReleaseReply::outcomes`] says what it means for a client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReleaseReply<'a> {
    /// What became of the request as a whole.
    pub status: Status<'a>,
    /// Option 18 as the request had it (RR-31).
    pub interface_id: Option<&'a [u8]>,
    /// Clients that something is said of.
    pub clients: Vec<ClientStatus<'a>>,
}

/// One client's part of a reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientStatus<'a> {
    /// Who.
    pub client_id: Duid<'a>,
    /// What became of all that is not named below.
    pub status: Option<Status<'a>>,
    /// IAs, each with a status of its own.
    pub ias: Vec<Ia<'a>>,
    /// Addresses and prefixes without an IA, each with a status of its own (H-RR-2).
    pub bare: Vec<Lease<'a>>,
}

impl<'a> ReleaseReply<'a> {
    /// Reads the reply to the request `xid` at the server `server_id`. A reply without a server-id is accepted: the draft
    /// has the relay check the transaction and the status only.
    pub fn parse(octets: &'a [u8], types: ReleaseTypes, xid: u32, server_id: Duid<'_>) -> Result<Self, ReplyRefused> {
        match octets.first() {
            Some(&kind) if kind != types.reply() => return Err(ReplyRefused::Kind(kind)),
            _ => {}
        }
        let message = Message::parse(octets)?;
        if message.xid() != xid & 0x00ff_ffff {
            return Err(ReplyRefused::Xid(message.xid()));
        }
        if message.server_id()?.is_some_and(|other| other != server_id) {
            return Err(ReplyRefused::ForeignServerId);
        }
        let options = message.options();
        Ok(Self {
            status: message.status()?.ok_or(ReplyRefused::NoStatus)?,
            interface_id: options.value(code::INTERFACE_ID)?,
            clients: options.all(code::CLIENT_DATA).map(client).collect::<Result<_, _>>()?,
        })
    }
}

fn client<'a>(data: Opt<'a>) -> Result<ClientStatus<'a>, Malformed> {
    let (_, options) = data.container::<0>()?;
    Ok(ClientStatus {
        client_id: options.duid(code::CLIENT_ID)?.ok_or(Malformed::Missing(code::CLIENT_ID))?,
        status: options.status()?,
        ias: options.ias()?,
        bare: options.bare_leases()?,
    })
}
