//! RELEASE-REQUEST and RELEASE-REQUEST-REPLY: a relay releases clients that are gone, many in one message
//! (draft-gandhewar-dhc-v6-relay-initiated-release-01). The draft has no code points; the types are configured.
//!
//! ```text
//! RELEASE-REQUEST    2 server DUID | 53 relay DUID | [18 interface-id] | 8 elapsed | 45 client, one or more
//!   45               1 client DUID | [18 if it differs] | 3, 25 { iaid, 0, 0, 5 or 26 … } or nothing: everything it has
//! -REPLY             2 server DUID | 13 status | [18 as in the request] | 45 only for clients that something failed for
//!   45               1 client DUID | 13, or 3, 4, 25 { iaid, 0, 0, 13 }, or 5, 26 { 13 } where the request had bare ones
//! ```
//!
//! The status of the whole message decides what its clients do not say otherwise: under Success a client that is not
//! listed was released, under anything else it was not (H-RR-4, H-RR-5).

mod answer;
mod batch;
mod outcome;
mod reply;
mod request;
#[cfg(test)]
mod tests;

pub use answer::{ClientAnswer, ReleaseAnswer, Verdict};
pub use batch::{Batch, Budget, Packed, Push, ReleaseClient, ReleaseHead, ReleaseIa, pack, set_elapsed};
pub use outcome::{Outcome, Outcomes};
pub use reply::{ClientStatus, ReleaseReply, ReplyRefused};
pub use request::{ReleaseRequest, RequestRefused, RequestedClient};

use thiserror::Error;

use super::{Binding, IaKind, kind};

/// Message types of request and reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReleaseTypes {
    request: u8,
    reply: u8,
}

impl ReleaseTypes {
    /// Both must be types that nothing else has.
    pub fn new(request: u8, reply: u8) -> Result<Self, TypeTaken> {
        let taken = [request, reply].into_iter().find(|kind| *kind <= kind::LAST_ASSIGNED);
        match taken.or((request == reply).then_some(reply)) {
            Some(kind) => Err(TypeTaken(kind)),
            None => Ok(Self { request, reply }),
        }
    }

    /// RELEASE-REQUEST.
    pub fn request(&self) -> u8 {
        self.request
    }

    /// RELEASE-REQUEST-REPLY.
    pub fn reply(&self) -> u8 {
        self.reply
    }

    /// Whether it is either: what clients don't take (RR-32) and a first relay takes from no client (H-RR-8).
    pub fn includes(&self, kind: u8) -> bool {
        kind == self.request || kind == self.reply
    }
}

impl Default for ReleaseTypes {
    /// 240 and 241, unassigned on 2026-05-29.
    fn default() -> Self {
        Self { request: 240, reply: 241 }
    }
}

/// A message type that is something else already.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("message type {0} is taken")]
pub struct TypeTaken(
    /// The type.
    pub u8,
);

/// What of a client a status is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Part {
    /// An IA by its IAID.
    Ia(IaKind, u32),
    /// An address or prefix without an IA.
    Bare(Binding),
}
