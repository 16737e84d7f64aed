//! Configuration messages and their acknowledgements (RFC 5061, sections 4.1 and 4.2).

use std::net::IpAddr;

use super::parameter::{self, kind, number, push, push_address};
use super::{MOST, Malformed, PREFIX, chunk, encode_chunk};

/// What is done with an address of the sender's set (SC-10).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// ADD: it joins the set (SC-11).
    Add,
    /// REMOVE: it leaves the set (SC-12).
    Delete,
    /// SET PRIMARY: the sender wants to be reached there (SC-13).
    Primary,
}

impl Operation {
    fn kind(self) -> u16 {
        match self {
            Self::Add => kind::ADD,
            Self::Delete => kind::DELETE,
            Self::Primary => kind::PRIMARY,
        }
    }

    fn from_kind(kind: u16) -> Option<Self> {
        [Self::Add, Self::Delete, Self::Primary].into_iter().find(|operation| operation.kind() == kind)
    }
}

/// One parameter of a configuration message (SC-37).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    /// Correlates the response.
    pub id: u32,
    /// What is done.
    pub operation: Operation,
    /// With which address; 0.0.0.0 or :: is a wildcard.
    pub address: IpAddr,
}

/// A configuration message: its changes are applied in order (SC-16).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asconf {
    /// Serial number: of the first one the initial TSN, then one more each.
    pub sequence: u32,
    /// An address by which the receiver finds the association (SC-29).
    pub lookup: IpAddr,
    /// The changes.
    pub changes: Vec<Change>,
}

impl Asconf {
    /// Reads the value of a chunk.
    ///
    /// # Errors
    /// When it has not the form of one, or a parameter is none of these.
    pub fn read(value: &[u8]) -> Result<Self, Malformed> {
        let (sequence, rest) = number(value)?;
        let (lookup, len) = parameter::first(rest).ok_or(Malformed::Length(PREFIX))?;
        let lookup = lookup.address().ok_or(Malformed::Type(lookup.kind))?;
        let changes = parameter::all(rest.get(len..).unwrap_or_default())?.into_iter().map(|parameter| {
            let operation = Operation::from_kind(parameter.kind).ok_or(Malformed::Type(parameter.kind))?;
            let (id, rest) = number(parameter.value)?;
            let (inner, _) = parameter::first(rest).ok_or(Malformed::Short)?;
            Ok(Change { id, operation, address: inner.address().ok_or(Malformed::Type(inner.kind))? })
        });
        Ok(Self { sequence, lookup, changes: changes.collect::<Result<_, Malformed>>()? })
    }

    /// The chunk.
    ///
    /// # Errors
    /// It has more changes than are read.
    pub fn encode(&self) -> Result<Vec<u8>, Malformed> {
        let mut value = self.sequence.to_be_bytes().to_vec();
        push_address(&mut value, self.lookup);
        for change in few(&self.changes)? {
            push(&mut value, change.operation.kind(), &change.value())?;
        }
        encode_chunk(chunk::ASCONF, 0, &value)
    }
}

/// No more than are read.
fn few<T>(all: &[T]) -> Result<&[T], Malformed> {
    if all.len() > MOST { Err(Malformed::TooMany) } else { Ok(all) }
}

impl Change {
    fn value(&self) -> Vec<u8> {
        let mut value = self.id.to_be_bytes().to_vec();
        push_address(&mut value, self.address);
        value
    }
}

/// Codes of error causes that a configuration message may be answered with.
pub mod cause {
    /// The last address was to be deleted (SC-26).
    pub const LAST_ADDRESS: u16 = 0x00a0;
    /// There is no room for another address (H-SC-10).
    pub const RESOURCES: u16 = 0x00a1;
    /// The address that the message comes from was to be deleted.
    pub const SOURCE_ADDRESS: u16 = 0x00a2;
    /// An acknowledgement beyond what was sent (H-SC-13).
    pub const ILLEGAL_ACK: u16 = 0x00a3;
    /// The address is not allowed (H-SC-11).
    pub const NO_AUTHORIZATION: u16 = 0x00a4;
    /// An HMAC that was not offered (RFC 4895).
    pub const UNSUPPORTED_HMAC: u16 = 0x0105;
}

/// Why a change was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cause {
    /// One of [`cause`].
    pub code: u16,
    /// As a rule a copy of the refused parameter.
    pub value: Vec<u8>,
}

/// What became of a change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Response {
    /// It was applied.
    Success {
        /// Which.
        id: u32,
    },
    /// It was refused.
    Failure {
        /// Which.
        id: u32,
        /// Why.
        causes: Vec<Cause>,
    },
}

/// The acknowledgement of a configuration message: without responses all changes were applied (SC-18, SC-19).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AsconfAck {
    /// That of the message.
    pub sequence: u32,
    /// What became of single changes.
    pub responses: Vec<Response>,
}

impl AsconfAck {
    /// Reads the value of a chunk.
    ///
    /// # Errors
    /// When it has not the form of one, or a parameter is none of these.
    pub fn read(value: &[u8]) -> Result<Self, Malformed> {
        let (sequence, rest) = number(value)?;
        let responses = parameter::all(rest)?.into_iter().map(|parameter| {
            let (id, rest) = number(parameter.value)?;
            match parameter.kind {
                kind::SUCCESS => Ok(Response::Success { id }),
                kind::FAILURE => {
                    let causes = parameter::all(rest)?.into_iter();
                    let causes = causes.map(|cause| Cause { code: cause.kind, value: cause.value.to_vec() }).collect();
                    Ok(Response::Failure { id, causes })
                }
                kind => Err(Malformed::Type(kind)),
            }
        });
        Ok(Self { sequence, responses: responses.collect::<Result<_, _>>()? })
    }

    /// The chunk.
    ///
    /// # Errors
    /// It has more responses or causes than are read, or is longer than a chunk.
    pub fn encode(&self) -> Result<Vec<u8>, Malformed> {
        let mut value = self.sequence.to_be_bytes().to_vec();
        for response in few(&self.responses)? {
            match response {
                Response::Success { id } => push(&mut value, kind::SUCCESS, &id.to_be_bytes())?,
                Response::Failure { id, causes } => {
                    let mut inner = id.to_be_bytes().to_vec();
                    few(causes)?.iter().try_for_each(|cause| push(&mut inner, cause.code, &cause.value))?;
                    push(&mut value, kind::FAILURE, &inner)?;
                }
            }
        }
        encode_chunk(chunk::ASCONF_ACK, 0, &value)
    }

    /// Whether a change of the message was applied: what is not mentioned before the first failure was, and behind it was not
    /// (RFC 5061, section 5.2, A7 and A8). Identifiers say which change is meant, and nothing of the order.
    pub fn applied(&self, message: &Asconf, id: u32) -> bool {
        let place = |id: u32| message.changes.iter().position(|change| change.id == id);
        let Some(own) = place(id) else { return false };
        let mut failed = self.responses.iter().filter_map(|response| match response {
            Response::Failure { id, .. } => place(*id),
            Response::Success { .. } => None,
        });
        let is_listed = self.responses.contains(&Response::Success { id });
        is_listed || failed.all(|failure| own < failure)
    }
}
