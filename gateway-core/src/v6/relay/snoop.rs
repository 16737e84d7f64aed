//! Unicast between client and server that bypasses the relay (option 12, deprecated by RFC 9915): the data plane forwards
//! it and hands us a copy.

use core::net::Ipv6Addr;

use super::answer::Answer;
use super::{Command, Reason, Relay};
use crate::line::Line;
use crate::time::Instant;
use crate::wire::dhcp6::{Message, kind};
use crate::wire::frame6::Datagram6;

impl Relay {
    /// A copy of what a client sent straight to a server, with an address that the data plane has bound to its line. Only a
    /// RELEASE or DECLINE tells us anything, and only together with its REPLY.
    pub fn handle_client_snoop(&mut self, line: Line, datagram: &Datagram6<'_>, now: Instant) {
        if !self.is_server(*datagram.destination.ip()) {
            return self.count(Err(Reason::UnknownServer));
        }
        if matches!(datagram.payload.first(), Some(&(kind::RELEASE | kind::DECLINE))) {
            self.remember(line, datagram.payload, now);
        }
    }

    /// A copy of what a server sent straight to a client: a REPLY extends or ends leases.
    pub fn handle_server_snoop(&mut self, from: Ipv6Addr, payload: &[u8], now: Instant) {
        let result = self.server_snoop(from, payload, now);
        self.count(result);
    }

    fn server_snoop(&mut self, server: Ipv6Addr, payload: &[u8], now: Instant) -> Result<(), Reason> {
        // Without an Interface-Id only an address that is configured vouches for a server.
        if !self.config.servers.contains(&server) {
            return Err(Reason::UnknownServer);
        }
        if payload.first() != Some(&kind::REPLY) {
            return Ok(());
        }
        let message = Message::parse(payload).map_err(|_| Reason::Malformed)?;
        let Some(answer) = Answer::read(&message, now)? else { return Ok(()) };
        if !answer.granted.is_empty() {
            let (client, granted) = (answer.client.to_owned(), answer.granted.clone());
            self.commands.push_back(Command::Renewed { client, server, granted });
        }
        self.unbind(&message, &answer, None, server, now);
        Ok(())
    }
}
