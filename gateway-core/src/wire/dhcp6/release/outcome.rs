//! What a reply means for each client that was asked about.

use super::{ClientStatus, Part, ReleaseClient, ReleaseReply};
use crate::wire::dhcp6::{Duid, Ia, Status, status};

/// What became of a lease. Of two that are said of one thing the later in this order counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Outcome {
    /// The server released it.
    Released,
    /// The server knew nothing of it: as good as released (RR-26), and counted apart (H-RR-12).
    NoBinding,
    /// The server did not release it, for this status. The relay keeps it until it expires (RR-57).
    Kept(u16),
}

impl Outcome {
    /// What a status code says.
    pub fn of(code: u16) -> Self {
        match code {
            status::SUCCESS => Self::Released,
            status::NO_BINDING => Self::NoBinding,
            other => Self::Kept(other),
        }
    }

    /// Whether the relay forgets the lease (RR-58).
    pub fn is_cleared(self) -> bool {
        !matches!(self, Self::Kept(_))
    }
}

/// What became of a client's leases.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcomes {
    /// Of the IAs that were listed, in their order.
    Listed(Vec<Outcome>),
    /// Of everything, when none was listed.
    Everything {
        /// Of what is not excepted.
        rest: Outcome,
        /// Of what the server named by itself.
        except: Vec<(Part, Outcome)>,
    },
}

impl ReleaseReply<'_> {
    /// What became of a client that the request had. The most specific status counts: the IA's, then the client's, then
    /// the message's. Of several as specific the worst counts, so that a repeated client is not taken for released.
    pub fn outcomes(&self, asked: &ReleaseClient<'_>) -> Outcomes {
        let overall = Outcome::of(self.status.code);
        let said: Vec<_> = self.clients.iter().filter(|client| client.client_id == asked.client_id).collect();
        let rest = said.iter().filter_map(|client| of(client.status)).max().unwrap_or(overall);
        let parts: Vec<_> = said.into_iter().flat_map(parts).collect();
        if asked.ias.is_empty() {
            return Outcomes::Everything { rest, except: parts };
        }
        let listed = asked.ias.iter().map(|ia| {
            let bare = ia.bindings().into_iter().map(Part::Bare);
            let names: Vec<Part> = ia.name().map(|(kind, iaid)| Part::Ia(kind, iaid)).into_iter().chain(bare).collect();
            let named = parts.iter().filter(|(part, _)| names.contains(part)).map(|(_, outcome)| *outcome);
            named.max().unwrap_or(rest)
        });
        Outcomes::Listed(listed.collect())
    }

    /// Clients of the reply that the request had not. What it says of them has no effect.
    pub fn unasked<'r>(&'r self, asked: &'r [ReleaseClient<'_>]) -> impl Iterator<Item = Duid<'r>> {
        let names = self.clients.iter().map(|client| client.client_id);
        names.filter(|name| asked.iter().all(|client| client.client_id != *name))
    }
}

/// Everything of a client that has a status of its own.
fn parts(client: &ClientStatus<'_>) -> Vec<(Part, Outcome)> {
    let ias = client.ias.iter().filter_map(|ia| Some((Part::Ia(ia.kind, ia.iaid), of_ia(ia)?)));
    let bare = client.bare.iter().filter_map(|lease| Some((Part::Bare(lease.binding), of(lease.status)?)));
    ias.chain(bare).collect()
}

/// The IA's status. A server that tells it of the leases within instead has not released the IA if one of them failed.
fn of_ia(ia: &Ia<'_>) -> Option<Outcome> {
    of(ia.status).or_else(|| ia.leases().filter_map(|lease| of(lease.status)).max())
}

fn of(status: Option<Status<'_>>) -> Option<Outcome> {
    status.map(|status| Outcome::of(status.code))
}
