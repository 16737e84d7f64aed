//! DHCPv4 bulk leasequery (RFC 6926): what a server has leased, asked over TCP.
//!
//! ```text
//! BULKLEASEQUERY 14   by MAC: htype, hlen, chaddr | by client: 61 | by line: 82 { 2 } | by relay: 82 { 12 } | all: nothing
//! LEASEACTIVE 13      ciaddr, htype, hlen, chaddr | 54 in the first | 51 | 61 | 82 | 91 | 152, 153, 156
//! LEASEUNASSIGNED 11  ciaddr | 152, 153, 156
//! LEASEQUERYDONE 15   [151]                       each behind its length, two octets
//! ```
//!
//! Messages are framed as those of DHCPv6 are: [`crate::wire::dhcp6::leasequery::Frames`].

use std::borrow::Cow;

use thiserror::Error;

use super::LeaseAnswer;
use crate::line::HardwareAddress;
use crate::octets::shown;
use crate::wire::agent::{AgentBuilder, AgentInformation, sub};
use crate::wire::dhcp4::{Builder, Message, REPLY, REQUEST, code, kind};

/// Status codes (option 151, RFC 6926 section 6.2.2).
pub mod status {
    #![expect(missing_docs, reason = "the names of the IANA registry")]
    pub const SUCCESS: u8 = 0;
    pub const UNSPEC_FAIL: u8 = 1;
    pub const QUERY_TERMINATED: u8 = 2;
    pub const MALFORMED_QUERY: u8 = 3;
    pub const NOT_ALLOWED: u8 = 4;
}

/// By what leases are looked for (RFC 6926 section 7.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum By<'a> {
    /// All addresses that the server has.
    All,
    /// What has the client with this hardware address?
    Hardware(HardwareAddress),
    /// What has the client with this identifier?
    ClientId(Cow<'a, [u8]>),
    /// What is on the line?
    RemoteId(Cow<'a, [u8]>),
    /// What came through the relay (RFC 6925)?
    RelayId(Cow<'a, [u8]>),
}

/// A BULKLEASEQUERY that asks for all that is of use to a relay.
pub fn bulk(by: &By<'_>, xid: u32) -> Vec<u8> {
    let wanted = [code::LEASE_TIME, code::CLIENT_ID, code::AGENT_INFORMATION, code::LAST_TRANSACTION];
    let out = Builder::new(REQUEST).xid(xid).kind(kind::BULKLEASEQUERY).option(code::PARAMETER_LIST, &wanted);
    let agent = |sub, value: &[u8]| AgentBuilder::new().sub(sub, value).finish().unwrap_or_default();
    match by {
        By::All => out,
        By::Hardware(hardware) => out.hardware(*hardware),
        By::ClientId(id) => out.option(code::CLIENT_ID, id),
        By::RemoteId(id) => out.option(code::AGENT_INFORMATION, &agent(sub::REMOTE_ID, id)),
        By::RelayId(id) => out.option(code::AGENT_INFORMATION, &agent(sub::RELAY_ID, id)),
    }
    .finish()
}

/// What was asked wrongly: the server tells it with a status.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum QueryError {
    /// MalformedQuery: an address where there must be none, or an option 82 that can't be read.
    #[error("malformed query")]
    Malformed,
    /// NotAllowed: more than one thing is asked by.
    #[error("more than one primary query")]
    Several,
    /// NotAllowed: there is but the one network here.
    #[error("there are no VPNs here")]
    Vpn,
}

impl QueryError {
    /// The status code to tell.
    pub fn status(self) -> u8 {
        match self {
            Self::Malformed => status::MALFORMED_QUERY,
            Self::Several | Self::Vpn => status::NOT_ALLOWED,
        }
    }
}

/// A BULKLEASEQUERY as a server receives it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BulkQuery<'a> {
    /// Transaction number.
    pub xid: u32,
    /// By what it asks, or what is wrong with it.
    pub by: Result<By<'a>, QueryError>,
    /// Options that are wanted of each lease (option 55).
    pub wanted: Vec<u8>,
    /// Only what changed since then, in the server's Unix time (option 154).
    pub since: Option<u32>,
    /// Only what changed until then (option 155).
    pub until: Option<u32>,
}

impl<'a> BulkQuery<'a> {
    /// `None` when it is none.
    pub fn read(message: &Message<'a>) -> Option<Self> {
        if message.op() != REQUEST || message.kind() != Some(kind::BULKLEASEQUERY) {
            return None;
        }
        Some(Self {
            xid: message.xid(),
            by: by(message),
            wanted: message.option(code::PARAMETER_LIST).map(Cow::into_owned).unwrap_or_default(),
            since: message.u32_option(code::QUERY_START),
            until: message.u32_option(code::QUERY_END),
        })
    }
}

fn by<'a>(message: &Message<'a>) -> Result<By<'a>, QueryError> {
    let addresses = [message.ciaddr(), message.yiaddr(), message.siaddr()];
    if addresses.iter().any(|address| !address.is_unspecified()) {
        return Err(QueryError::Malformed);
    }
    if message.option(code::VSS).is_some() {
        return Err(QueryError::Vpn);
    }
    let mut asked = Vec::new();
    let hardware = message.hardware().trimmed();
    if hardware.hlen() > 0 {
        asked.push(By::Hardware(hardware));
    }
    asked.extend(message.option(code::CLIENT_ID).map(By::ClientId));
    if let Some(value) = message.option(code::AGENT_INFORMATION) {
        let agent = AgentInformation::parse(&value).map_err(|_| QueryError::Malformed)?;
        let owned = |sub| agent.get(sub).map(|value| Cow::Owned(value.to_vec()));
        asked.extend(owned(sub::REMOTE_ID).map(By::RemoteId));
        asked.extend(owned(sub::RELAY_ID).map(By::RelayId));
    }
    match asked.len() {
        0 => Ok(By::All),
        1 => Ok(asked.swap_remove(0)),
        _ => Err(QueryError::Several),
    }
}

/// LEASEQUERYDONE: nothing follows, because it was all or because of a status.
pub fn done(xid: u32, status: Option<(u8, &str)>) -> Vec<u8> {
    let out = Builder::new(REPLY).xid(xid).kind(kind::LEASEQUERYDONE);
    match status {
        Some((code, text)) => out.option(code::STATUS_CODE, &[&[code], text.as_bytes()].concat()),
        None => out,
    }
    .finish()
}

/// One message of a server's answer, read by who asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BulkAnswer {
    /// One address.
    Address(LeaseAnswer),
    /// Nothing follows; a status other than Success says that it was not all.
    Done {
        /// The status code.
        status: u8,
        /// What the server says about it.
        text: String,
    },
}

impl BulkAnswer {
    /// Reads a message; `None` when it is no answer to a bulk leasequery.
    pub fn read(message: &Message<'_>) -> Option<Self> {
        if message.op() != REPLY {
            return None;
        }
        if message.kind() != Some(kind::LEASEQUERYDONE) {
            return LeaseAnswer::read(message).map(Self::Address);
        }
        let value = message.option(code::STATUS_CODE).unwrap_or_default();
        let (status, text) = value.split_first().map_or((status::SUCCESS, &[][..]), |(status, text)| (*status, text));
        Some(Self::Done { status, text: shown(text).into_owned() })
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn query(octets: &[u8]) -> BulkQuery<'_> {
        BulkQuery::read(&Message::parse(octets).unwrap()).unwrap()
    }

    /// RFC 6926 section 7.2: each way to ask is read as it was written.
    #[test]
    fn each_question() {
        let id = || Cow::Owned(b"BNG-0042".to_vec());
        let hardware = HardwareAddress::ethernet([2, 0, 0, 0, 0, 1]);
        for by in [By::All, By::Hardware(hardware), By::ClientId(id()), By::RemoteId(id()), By::RelayId(id())] {
            let octets = bulk(&by, 0xa1b2_c3d4);
            let query = query(&octets);
            assert_eq!((query.xid, &query.by), (0xa1b2_c3d4, &Ok(by)));
            assert!(query.wanted.contains(&code::AGENT_INFORMATION));
        }
    }

    /// RFC 6926 section 8.2: an address is no way to ask, two ways are one too many, and other networks are not here.
    #[test]
    fn wrong_questions() {
        let out = || Builder::new(REQUEST).kind(kind::BULKLEASEQUERY);
        let agent = AgentBuilder::new().sub(sub::RELAY_ID, b"a").sub(sub::REMOTE_ID, b"b").finish().unwrap();
        let hardware = HardwareAddress::ethernet([2, 0, 0, 0, 0, 1]);
        for (octets, error, status) in [
            (out().ciaddr(Ipv4Addr::new(192, 0, 2, 1)).finish(), QueryError::Malformed, 3),
            (out().option(code::AGENT_INFORMATION, &[12, 9, 1]).finish(), QueryError::Malformed, 3),
            (out().option(code::AGENT_INFORMATION, &agent).finish(), QueryError::Several, 4),
            (out().hardware(hardware).option(code::CLIENT_ID, b"x").finish(), QueryError::Several, 4),
            (out().option(code::VSS, &[0, b'x']).finish(), QueryError::Vpn, 4),
        ] {
            let query = query(&octets);
            assert_eq!((query.by, error.status()), (Err(error), status));
        }
        assert_eq!(BulkQuery::read(&Message::parse(&done(1, None)).unwrap()), None);
    }

    /// The end of an answer: with and without a status.
    #[test]
    fn the_end() {
        for (sent, status, text) in [
            (None, 0, ""),
            (Some((4, "not for you")), 4, "not for you"),
            (Some((1, "")), 1, ""),
            (Some((1, "\x1b[m")), 1, "\u{fffd}[m"),
        ] {
            let octets = done(7, sent);
            let message = Message::parse(&octets).unwrap();
            assert_eq!(message.xid(), 7);
            assert_eq!(BulkAnswer::read(&message), Some(BulkAnswer::Done { status, text: text.into() }));
        }
    }

    proptest! {
        /// No octets make either reader panic.
        #[test]
        fn total(tail in proptest::collection::vec(any::<u8>(), 0..64), kind in 10u8..17) {
            for op in [REQUEST, REPLY] {
                let mut octets = Builder::new(op).kind(kind).finish();
                octets.pop();
                octets.extend(&tail);
                if let Ok(message) = Message::parse(&octets) {
                    let _ = (BulkQuery::read(&message), BulkAnswer::read(&message));
                }
            }
        }
    }
}
