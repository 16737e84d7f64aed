//! What is asked, and how the answers are read: the one thing that differs between the versions.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::found::{Found, Found4, Found6};
use crate::scope::DeviceId;
use crate::wire::dhcp4::{Message, code as code4};
use crate::wire::dhcp6::leasequery::{By as By6, LeaseAnswer, Question};
use crate::wire::dhcp6::{DuidBuf, Malformed, code, kind, status};
use crate::wire::leasequery::{self, BulkAnswer, By, status as status4};

/// Who asks in which version of DHCP.
#[derive(Clone, Debug)]
pub enum Language {
    /// RFC 6926.
    Four {
        /// Who asks: our Relay-Id (sub-option 12).
        device: DeviceId,
        /// Option 54 of the answer's first message.
        server_identifier: Option<Ipv4Addr>,
    },
    /// RFC 5460.
    Six {
        /// Who asks: our Relay-Id (option 53).
        duid: DuidBuf,
        /// Links to ask about where the Relay-Id is no help.
        links: Vec<Ipv6Addr>,
        /// Option 2 of the answer's first message.
        server_id: Option<DuidBuf>,
    },
}

/// What a message says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Heard {
    /// Leases; more follows.
    Found(Vec<Found>),
    /// Leases, and that was all.
    Last(Vec<Found>),
    /// There is no answer to this question.
    Refused(String),
    /// The answer was broken off by the server.
    BrokenOff(String),
}

impl Language {
    /// For DHCPv4.
    pub fn four(device: DeviceId) -> Self {
        Self::Four { device, server_identifier: None }
    }

    /// For DHCPv6; `links` are the link-addresses of our line cards.
    pub fn six(duid: DuidBuf, links: Vec<Ipv6Addr>) -> Self {
        Self::Six { duid, links, server_id: None }
    }

    /// A question; `None` when there are no more.
    pub(super) fn question(&self, step: usize, xid: u32) -> Option<Vec<u8>> {
        match self {
            Self::Four { device, .. } => {
                let by = [By::RelayId(device.octets().into()), By::All];
                Some(leasequery::bulk(by.get(step)?, xid))
            }
            Self::Six { duid, links, .. } => {
                let (by, link) = match step {
                    0 => (By6::RelayId(duid.as_duid()), Ipv6Addr::UNSPECIFIED),
                    other => (By6::LinkAddress, *links.get(other - 1)?),
                };
                // What is leased in which IA is no part of RFC 5007. A server that is asked for it may tell.
                let requested = vec![code::LQ_RELAY_DATA, code::IA_NA, code::IA_TA, code::IA_PD];
                // Fails only for options longer than a length field can tell.
                Question { by, link, requested }.message(xid, duid.as_duid(), None).ok()
            }
        }
    }

    /// Whether the next question is to be asked after this one was answered in full.
    pub(super) fn goes_on(&self, step: usize, found: bool) -> bool {
        match self {
            // Who stores nothing by relay-ids has our leases all the same.
            Self::Four { .. } => !found,
            Self::Six { .. } => step > 0 || !found,
        }
    }

    /// Reads a message of the answer to `xid`; an error ends the connection.
    pub(super) fn read(&mut self, xid: u32, octets: &[u8]) -> Result<Heard, String> {
        match self {
            Self::Four { server_identifier, .. } => read4(server_identifier, xid, octets),
            Self::Six { duid, server_id, .. } => {
                read6(duid, server_id, xid, octets).map_err(|error| error.to_string()).flatten()
            }
        }
    }
}

fn read4(server_identifier: &mut Option<Ipv4Addr>, xid: u32, octets: &[u8]) -> Result<Heard, String> {
    let message = Message::parse(octets).map_err(|error| error.to_string())?;
    let answer = BulkAnswer::read(&message).filter(|_| message.xid() == xid);
    *server_identifier = server_identifier.or(message.address_option(code4::SERVER_ID));
    match answer.ok_or("a message that answers no question of ours")? {
        BulkAnswer::Address(answer) => {
            Ok(Heard::Found(Found4::new(answer, *server_identifier).map(Found::Four).into_iter().collect()))
        }
        BulkAnswer::Done { status: status4::SUCCESS, .. } => Ok(Heard::Last(Vec::new())),
        BulkAnswer::Done { status: status4::QUERY_TERMINATED, text } => Ok(Heard::BrokenOff(text)),
        BulkAnswer::Done { status, text } => {
            Ok(Heard::Refused(format!("status {status} {text}").trim_end().to_owned()))
        }
    }
}

fn read6(
    duid: &DuidBuf,
    server_id: &mut Option<DuidBuf>,
    xid: u32,
    octets: &[u8],
) -> Result<Result<Heard, String>, Malformed> {
    let answer = LeaseAnswer::parse(octets)?;
    if !answer.answers(xid, duid.as_duid()) {
        return Ok(Err("a message that answers no question of ours".to_owned()));
    }
    if let Some(refusal) = answer.status.filter(|answer| answer.code != status::SUCCESS) {
        let text =
            format!("{} {}", status::name(refusal.code).unwrap_or("status"), refusal.text()).trim_end().to_owned();
        let broken = answer.kind == kind::LEASEQUERY_DONE;
        return Ok(Ok(if broken { Heard::BrokenOff(text) } else { Heard::Refused(text) }));
    }
    *server_id = answer.server_id.map(|server| server.to_owned()).or(server_id.take());
    let Some(server) = server_id else { return Ok(Err("an answer that does not begin with a REPLY".to_owned())) };
    let mut found = Vec::new();
    for data in &answer.clients {
        found.extend(Found6::read(data, server.as_duid())?.map(Found::Six));
    }
    // A REPLY without a client is all there is (RFC 5460 section 5.2).
    let last =
        answer.kind == kind::LEASEQUERY_DONE || (answer.kind == kind::LEASEQUERY_REPLY && answer.clients.is_empty());
    Ok(Ok(if last { Heard::Last(found) } else { Heard::Found(found) }))
}
