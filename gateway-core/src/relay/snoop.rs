//! Unicast between client and server that bypasses the relay: the data plane forwards it and hands us a copy.

use core::net::Ipv4Addr;

use super::server::expiry;
use super::{Command, Reason, Relay};
use crate::line::Line;
use crate::time::Instant;
use crate::wire::dhcp4::{self, Message, code, kind};
use crate::wire::frame::Datagram;

impl Relay {
    /// A copy of what a client sent straight to a server. Only a RELEASE tells us anything, and only of the address
    /// it was sent from, which the data plane has bound to its line.
    pub fn handle_client_snoop(&mut self, line: Line, datagram: &Datagram<'_>, _now: Instant) {
        let result = self.client_snoop(line, datagram);
        self.count(result);
    }

    fn client_snoop(&mut self, line: Line, datagram: &Datagram<'_>) -> Result<(), Reason> {
        let message = Message::parse(datagram.payload).map_err(|_| Reason::Malformed)?;
        if message.op() != dhcp4::REQUEST {
            return Err(Reason::WrongDirection);
        }
        if !self.config.servers.contains(datagram.destination.ip()) {
            return Err(Reason::UnknownServer);
        }
        let address = message.ciaddr();
        if message.kind() == Some(kind::RELEASE) && address == *datagram.source.ip() {
            self.commands.push_back(Command::Released { address, hardware: message.hardware().trimmed(), line });
        }
        Ok(())
    }

    /// A copy of what a server sent straight to a client: an ACK renews its lease.
    pub fn handle_server_snoop(&mut self, from: Ipv4Addr, destination: Ipv4Addr, payload: &[u8], now: Instant) {
        let result = self.server_snoop(from, destination, payload, now);
        self.count(result);
    }

    fn server_snoop(
        &mut self,
        server: Ipv4Addr,
        destination: Ipv4Addr,
        payload: &[u8],
        now: Instant,
    ) -> Result<(), Reason> {
        if !self.config.servers.contains(&server) {
            return Err(Reason::UnknownServer);
        }
        let message = Message::parse(payload).map_err(|_| Reason::Malformed)?;
        if message.op() != dhcp4::REPLY {
            return Err(Reason::WrongDirection);
        }
        // the answer to INFORM has neither yiaddr nor lease time (RFC 2131 4.3.5)
        if message.kind() != Some(kind::ACK) || message.yiaddr() != destination {
            return Ok(());
        }
        let Some(expires) = message.u32_option(code::LEASE_TIME).and_then(|seconds| expiry(seconds, now)) else {
            return Ok(());
        };
        let (address, hardware) = (destination, message.hardware().trimmed());
        self.commands.push_back(Command::Renewed { address, hardware, server, expires });
        Ok(())
    }
}
