//! What a release asks of the session table.

use core::net::Ipv4Addr;

use crate::line::{FpcId, HardwareAddress};
use crate::scope::{Epoch, ScopeKind};
use crate::session::CohortId;
use crate::time::Instant;

/// What a release needs to know of a cohort (the logins of one FPC, at one server, with one scope), without looking at its logins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CohortSummary {
    /// The cohort.
    pub cohort: CohortId,
    /// The server, by its configured address.
    pub server: Ipv4Addr,
    /// Option 54 of its logins (of any of them, they agree).
    pub server_identifier: Ipv4Addr,
    /// The giaddr of its logins (of any of them).
    pub giaddr: Ipv4Addr,
    /// The scope the server stored with them; `None`: untagged, to be released individually (H-BR-3).
    pub scope: Option<ScopeKind>,
    /// Another FPC has logins at the same server with the same scope. One message would release those too, so such a
    /// cohort is released individually (H-BR-10, H-BR-11).
    pub shared: bool,
    /// Logins with an epoch up to the cut-off, orphaned ones included.
    pub count: u64,
}

/// Where a page ended. Opaque to the release: the table chooses what it means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor(pub u128);

/// One login, with everything that an individual RELEASE must repeat (RFC 2131 4.4.6).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Individual {
    /// The leased address, the RELEASE's `ciaddr`.
    pub address: Ipv4Addr,
    /// `htype`, `hlen`, `chaddr` as at login.
    pub hardware: HardwareAddress,
    /// Option 61 as at login.
    pub client_id: Option<Box<[u8]>>,
    /// The line card.
    pub fpc: FpcId,
    /// Epoch of the login.
    pub epoch: Epoch,
    /// The server, by its configured address.
    pub server: Ipv4Addr,
    /// Option 54 as at login.
    pub server_identifier: Ipv4Addr,
    /// `giaddr` as at login.
    pub giaddr: Ipv4Addr,
    /// Value of option 82 as at login; empty when there was none.
    pub agent_information: Box<[u8]>,
    /// When the server last heard from the client, as far as the gateway saw.
    pub last_transaction: Instant,
    /// An earlier attempt gave this login up ([`super::Command::Orphan`]).
    pub orphaned: bool,
}

/// The session table, as a release sees it.
pub trait Logins {
    /// The cohorts of `fpc` that have at least one login with an epoch up to `cutoff`. Takes time in the number of
    /// cohorts, never in that of logins.
    fn cohorts(&self, fpc: FpcId, cutoff: Epoch) -> Vec<CohortSummary>;

    /// Up to `max` logins of `cohort` with an epoch up to `cutoff`, those after `after` in the table's own order, and
    /// where they end; no cursor when there are no more. A login that stays in the cohort from the first page to the last
    /// is on exactly one of them, whichever others are ended in between. When the login that `after` stands for is gone,
    /// paging may start over.
    fn page(
        &self,
        cohort: CohortId,
        cutoff: Epoch,
        after: Option<Cursor>,
        max: usize,
    ) -> (Vec<Individual>, Option<Cursor>);

    /// The login that holds `address` now, if any.
    fn login(&self, address: Ipv4Addr) -> Option<Individual>;
}
