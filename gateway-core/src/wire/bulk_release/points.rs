//! Code points: where the elements are put. All configurable, none may collide (wire format table 7.1).

use thiserror::Error;

use crate::wire::agent::sub;
use crate::wire::dhcp4::kind;

/// An element of a bulk release.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Element {
    /// What relay or server can do.
    Capability,
    /// Which logins.
    Scope,
    /// Which release.
    Transaction,
    /// What came of it.
    Result,
    /// Where the relay must send the reply. Servers skip it as they skip every unknown element.
    Line,
}

/// The carrier of the elements.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// Sub-option 9 (RFC 4243) under one enterprise number.
    Vsi {
        /// IANA private enterprise number.
        pen: u32,
    },
    /// One sub-option of option 82 for each element.
    Raw {
        /// Code of the capability.
        capability: u8,
        /// Code of a scope.
        scope: u8,
        /// Code of the transaction.
        transaction: u8,
        /// Code of a result.
        result: u8,
        /// Code of the line.
        line: u8,
    },
}

impl Encoding {
    /// 82.240 to 82.244, unassigned at IANA in May 2026.
    pub const RAW: Self = Self::Raw { capability: 240, scope: 241, transaction: 242, result: 243, line: 244 };

    /// The raw encoding with the codes of capability, scope, transaction and result. The line, which only the relay
    /// itself reads, takes the next free code from 244 on.
    pub fn raw([capability, scope, transaction, result]: [u8; 4]) -> Self {
        let line = (244..=254).find(|code| ![capability, scope, transaction, result].contains(code)).unwrap_or(244);
        Self::Raw { capability, scope, transaction, result, line }
    }

    /// Code of an element: of the sub-TLV (vsi) or of the sub-option (raw).
    pub fn code(&self, element: Element) -> u8 {
        let raw = match *self {
            Self::Vsi { .. } => [1, 2, 3, 4, 5],
            Self::Raw { capability, scope, transaction, result, line } => {
                [capability, scope, transaction, result, line]
            }
        };
        raw[element as usize]
    }

    /// The element with this code.
    pub fn element(&self, code: u8) -> Option<Element> {
        use Element::{Capability, Line, Result, Scope, Transaction};
        [Capability, Scope, Transaction, Result, Line].into_iter().find(|element| self.code(*element) == code)
    }
}

/// Every code point of the bulk release that can be chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CodePoints {
    /// The carrier.
    pub encoding: Encoding,
    /// Option 53 of a single logout.
    pub request_type: u8,
    /// Option 53 of its reply.
    pub reply_type: u8,
}

impl Default for CodePoints {
    /// Enterprise number 32473 (RFC 5612, for documentation), RELEASE, and 250.
    fn default() -> Self {
        Self {
            encoding: Encoding::Vsi { pen: 32473 },
            request_type: kind::RELEASE,
            reply_type: kind::BULK_RELEASE_REPLY,
        }
    }
}

/// Two uses of one code point.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Collision {
    /// A raw code that the registry gave away, or the same code twice.
    #[error("option 82 sub-option {0} is already in use")]
    SubOption(u8),
    /// A message type that means something else, or the same for request and reply.
    #[error("message type {0} is already in use")]
    MessageType(u8),
}

impl CodePoints {
    /// Whether every code point means one thing only: raw codes differ, and none is 0, 255 or assigned by IANA
    /// (1 to 19, 151, 152 in May 2026); the request is RELEASE or an unassigned type, the reply an unassigned type.
    pub fn check(&self) -> Result<(), Collision> {
        if let Encoding::Raw { capability, scope, transaction, result, line } = self.encoding {
            let codes = [capability, scope, transaction, result, line];
            for (index, code) in codes.into_iter().enumerate() {
                let assigned = code <= sub::SOURCE_PORT || matches!(code, 151 | 152 | 255);
                if assigned || codes[..index].contains(&code) {
                    return Err(Collision::SubOption(code));
                }
            }
        }
        let unassigned = |kind: u8| kind > 18;
        if self.request_type != kind::RELEASE && !unassigned(self.request_type) {
            return Err(Collision::MessageType(self.request_type));
        }
        if !unassigned(self.reply_type) || self.reply_type == self.request_type {
            return Err(Collision::MessageType(self.reply_type));
        }
        Ok(())
    }
}
