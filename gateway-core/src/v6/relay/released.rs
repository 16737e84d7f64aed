//! Releases that a relay below originates and that pass here: what the server says about them is true here as well
//! (H-RR-17, RR-2).

use core::net::Ipv6Addr;

use super::{Command, Relay};
use crate::line::Line;
use crate::session::EndReason;
use crate::time::Instant;
use crate::wire::dhcp6::release::{Outcomes, Part, ReleaseClient, ReleaseReply, ReleaseRequest};
use crate::wire::dhcp6::{Ia, IaKind, Message, Prefix};

impl Relay {
    /// A RELEASE-REQUEST of `peer`'s goes up: its reply will not repeat what it was about.
    pub(super) fn remember_request(&mut self, peer: Ipv6Addr, message: &[u8], now: Instant) {
        if let Ok(request) = ReleaseRequest::parse(message, self.config.release_types) {
            self.passing.remember((peer, request.xid), message.to_vec(), now);
        }
    }

    /// The reply goes down: ends what the server released, as whoever asked will. Only a client's leases on the line that the
    /// request came from can end by it.
    pub(super) fn snoop_reply(&mut self, line: Line, peer: Ipv6Addr, server: Ipv6Addr, message: &[u8], now: Instant) {
        let Ok(parsed) = Message::parse(message) else { return };
        let types = self.config.release_types;
        let Some(asked) = self.passing.find(&(peer, parsed.xid()), now).cloned() else { return };
        let Ok(request) = ReleaseRequest::parse(&asked, types) else { return };
        let Ok(reply) = ReleaseReply::parse(message, types, request.xid, request.server_id) else { return };
        for client in &request.clients {
            let name = ReleaseClient { client_id: client.client_id, interface_id: None, ias: Vec::new() };
            let Outcomes::Everything { rest, except } = reply.outcomes(&name) else { continue };
            let of = |part: Part| except.iter().filter(|(other, _)| *other == part).map(|(_, outcome)| *outcome).max();
            let of_ia = |ia: &Ia<'_>| {
                let leases = ia.leases().filter_map(|lease| of(Part::Bare(lease.binding)));
                of(Part::Ia(ia.kind, ia.iaid)).into_iter().chain(leases).max().unwrap_or(rest)
            };
            let owner = client.client_id.to_owned();
            if client.everything() {
                if rest.is_cleared() {
                    let kept = except.iter().filter(|(_, outcome)| !outcome.is_cleared());
                    let except: Vec<Part> = kept.map(|(part, _)| *part).collect();
                    self.commands.push_back(Command::Cleared { client: owner, line, server, except });
                }
                continue;
            }
            let (mut leases, mut ias): (Vec<Prefix>, Vec<(IaKind, u32)>) = (Vec::new(), Vec::new());
            for ia in client.ias.iter().filter(|ia| of_ia(ia).is_cleared()) {
                if ia.leases().next().is_none() {
                    ias.push((ia.kind, ia.iaid));
                }
                leases.extend(ia.leases().map(|lease| lease.binding.prefix()));
            }
            let bare = client.bare.iter().filter(|lease| of(Part::Bare(lease.binding)).unwrap_or(rest).is_cleared());
            leases.extend(bare.map(|lease| lease.binding.prefix()));
            if !leases.is_empty() || !ias.is_empty() {
                let reason = EndReason::LoggedOut;
                self.commands.push_back(Command::Unbound { client: owner, line, server, leases, ias, reason });
            }
        }
    }
}
