//! A login from what its server remembers of it: the inverse of what [`super::stamp`] wrote.

use core::net::Ipv4Addr;

use thiserror::Error;

use super::Relay;
use super::server::expiry;
use super::stamp::Echo;
use super::template::{Subject, Template};
use crate::line::{Line, PortId};
use crate::login::Login;
use crate::recover::Found4;
use crate::scope::{Epoch, ScopeKind};
use crate::time::{Duration, Instant};
use crate::wire::agent::{AgentBuilder, AgentInformation, sub};
use crate::wire::bulk_release::BulkRelease;

/// Why a lease can't become a session again. It is left alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Error)]
pub enum Unreadable {
    /// The server did not store what we added, or does not tell.
    #[error("its server tells nothing of the relay")]
    Nothing,
    /// Another relay's, or another gateway's.
    #[error("it came through another relay")]
    Foreign,
    /// What says where the client is can't be read, or is of a port that is not configured.
    #[error("its line can't be read")]
    Line,
    /// The epoch stored with it lies in the future: it is invented, or this clock, or an earlier one, was wrong.
    #[error("its epoch is one that is yet to come")]
    Epoch,
    /// Its Interface-Id was made without our secret, or with another one.
    #[error("its Interface-Id was not made with our secret")]
    Check,
    /// It is nothing that a subscriber could have.
    #[error("it is no lease for a subscriber")]
    Unfit,
}

impl Relay {
    /// The login that a server tells of. `asked`: when it was asked, from which the rest of the lease is counted.
    ///
    /// A port's number is its place in a configuration that may have been another one: what counts is that the stored
    /// circuit-id and remote-id are those that the port has now.
    ///
    /// # Errors
    ///
    /// When it can't be known where the client is, or whether it is one of ours.
    pub fn recall(&self, server: Ipv4Addr, found: &Found4, asked: Instant) -> Result<Login, Unreadable> {
        if found.agent_information.is_empty() {
            return Err(Unreadable::Nothing);
        }
        let agent = AgentInformation::parse(&found.agent_information).map_err(|_| Unreadable::Line)?;
        let echo = Echo::read(&found.agent_information, &self.config).ok_or(Unreadable::Line)?;
        if !echo.ours {
            return Err(Unreadable::Foreign);
        }
        let (line, epoch) = echo.line.ok_or(Unreadable::Line)?;
        let texts = [
            (agent.get(sub::CIRCUIT_ID), Some(&self.config.circuit_id)),
            (agent.get(sub::REMOTE_ID), self.config.remote_id.as_ref()),
        ];
        let is_so =
            |port: &PortId| texts.iter().all(|(stored, template)| self.is_so(*port, line, found, *stored, *template));
        let port = places(line.port, self.config.ports.len()).find(is_so).ok_or(Unreadable::Line)?;
        let line = Line { port, ..line };
        let (fpc, card) = self.card(line).ok_or(Unreadable::Line)?;
        if !self.is_fit(found.address) || found.hardware.mac().is_none() {
            return Err(Unreadable::Unfit);
        }
        let address = |value: &[u8]| Some(Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?));
        let overridden = agent.get(sub::SERVER_ID_OVERRIDE).and_then(address);
        // The signature was the login's message's.
        let kept = agent.iter().filter(|(code, _)| *code != sub::AUTHENTICATION);
        let kept = kept.fold(AgentBuilder::new(), |value, (code, octets)| value.sub(code, octets));
        Ok(Login {
            address: found.address,
            hardware: found.hardware,
            client_id: found.client_id.clone().map(Into::into),
            line,
            fpc,
            epoch,
            server,
            server_identifier: overridden.or(found.server_identifier).unwrap_or(server),
            giaddr: card.giaddr,
            agent_information: kept.finish().unwrap_or_default().into(),
            scope: self.stored_scope(&agent, epoch),
            at: last_heard(found.since, asked),
            expires: expiry(found.remaining, asked).ok_or(Unreadable::Unfit)?,
        })
    }

    /// Whether a stored text is what a template gives for a port.
    fn is_so(
        &self,
        port: PortId,
        line: Line,
        found: &Found4,
        stored: Option<&[u8]>,
        template: Option<&Template>,
    ) -> bool {
        let Some(template) = template else { return stored.is_none() };
        let Some(entry) = self.config.port(port) else { return false };
        let Some(fpc) = self.config.fpc(entry.fpc) else { return false };
        let mut text = Vec::new();
        let (tags, hardware, giaddr) = (line.tags, found.hardware, fpc.giaddr.into());
        template.render(&mut text, &Subject { port: &entry.name, fpc: &fpc.name, tags, hardware, giaddr });
        stored == Some(&text[..])
    }

    /// The scope that a server has stored with a lease: H-BR-3, by its own word.
    fn stored_scope(&self, agent: &AgentInformation<'_>, epoch: Epoch) -> Option<ScopeKind> {
        let [scope] = BulkRelease::decode(agent, &self.config.points).ok()??.scopes.try_into().ok()?;
        (scope.device == self.config.device && scope.epoch == epoch).then_some(scope.kind)
    }
}

/// When a client was last heard of, by its server's word. What is not told counts as old: so nothing newer is overwritten, and
/// no logout is undone.
pub(crate) fn last_heard(since: Option<u32>, asked: Instant) -> Instant {
    since.map_or(Instant::ZERO, |since| asked - Duration::from_secs(since.into()))
}

/// All ports, the likely one first.
pub(crate) fn places(likely: PortId, ports: usize) -> impl Iterator<Item = PortId> {
    let others = (0..ports).filter_map(|port| u16::try_from(port).ok()).map(PortId);
    core::iter::once(likely).chain(others.filter(move |port| *port != likely))
}
