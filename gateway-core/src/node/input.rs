//! What comes in: frames, messages, links, requests, time.

use core::net::{IpAddr, Ipv4Addr};

use gateway_common::event::EventKind;
use gateway_common::vlan::VlanTags;

use super::{Answer, Command, Event, Node, Request, RequestError};
use crate::fpc::{LinkEvent, Policy};
use crate::line::{HardwareAddress, Line, PortId};
use crate::relay;
use crate::seen::Seen;
use crate::session::Refusal;
use crate::time::{Instant, WallClock};
use crate::wire::dhcp4::{Message, code, kind};
use crate::wire::frame::Datagram;

/// Something the data plane noticed, with the interface index already translated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DataPlaneEvent {
    /// What.
    pub kind: EventKind,
    /// The access port; `None` when it came from an upstream port.
    pub port: Option<PortId>,
    /// Source address of the packet.
    pub address: IpAddr,
    /// Source MAC.
    pub mac: [u8; 6],
    /// Tags of the frame.
    pub tags: VlanTags,
}

impl Node {
    /// A DHCP frame of either version from an access port, from its Ethernet header on. `snooped`: a copy, the original was
    /// forwarded; only DHCPv4 is.
    pub fn handle_client_frame(&mut self, port: PortId, frame: &[u8], snooped: bool, now: Instant) {
        let Ok(datagram) = Datagram::parse(frame) else {
            if !snooped && self.client_frame6(port, frame, now) {
                self.drain(now);
            } else {
                self.counters.malformed += 1;
            }
            return;
        };
        let line = Line { port, tags: datagram.tags };
        self.silence.heard(line, datagram.source_mac);
        if snooped {
            self.relay.handle_client_snoop(line, &datagram, now);
        } else {
            // The relay counts what is no DHCP.
            let message = Message::parse(datagram.payload).ok();
            if message.as_ref().is_some_and(|message| !self.speaks_for_itself(line, datagram.source_mac, message)) {
                self.relay.handle_not_theirs();
            } else if message.as_ref().is_some_and(|message| self.claims_what_is_in_use(line, message, now)) {
                let hardware = message.as_ref().map_or(HardwareAddress::NONE, |message| message.hardware().trimmed());
                self.refuse(line, hardware, Refusal::InUse);
            } else if message.is_none_or(|message| self.admits(line, &message, now)) {
                self.relay.handle_client(line, &datagram, now);
            }
        }
        self.drain(now);
    }

    /// Whether nobody else who is logged in suffers from this message. `chaddr`, `ciaddr` and option 50 are the sender's to
    /// invent; what it can't change is its line, and with another's MAC it must be on the same line and take over its
    /// traffic as well.
    fn speaks_for_itself(&self, line: Line, sender: [u8; 6], message: &Message<'_>) -> bool {
        let given_up = relay::given_up(message);
        if !message.giaddr().is_unspecified() {
            // A relay below speaks for clients of its own, not for those who logged in here.
            return given_up.is_none_or(|address| self.sessions.get(address).is_none());
        }
        let hardware = message.hardware().trimmed();
        let own = hardware.mac() == Some(sender);
        match given_up.map(|address| self.sessions.get(address)) {
            // A server would believe anybody who names the client; what no session is known of is left to the lease's end.
            Some(held) => own && held.is_some_and(|held| held.hardware == hardware && held.line == line),
            // Its answer could end or move the session of the client it names.
            None => own || self.sessions.by_client(line, &hardware).is_none(),
        }
    }

    /// Whether it asks for an address that the same client has on another line, and uses; or somebody with its client-id. The
    /// ACK would be refused; but by then the server has noted where it was asked, and a logout of that card would end the
    /// lease there (H-BR-12).
    fn claims_what_is_in_use(&self, line: Line, message: &Message<'_>, now: Instant) -> bool {
        if message.kind() != Some(kind::REQUEST) {
            return false;
        }
        let ciaddr = Some(message.ciaddr()).filter(|address| !address.is_unspecified());
        let Some(address) = ciaddr.or_else(|| message.address_option(code::REQUESTED_IP)) else { return false };
        let client_id = message.option(code::CLIENT_ID);
        let held = self.sessions.claimed(address, line, &message.hardware().trimmed(), client_id.as_deref());
        held.and_then(|held| self.presence(now).of_session(held)) == Some(true)
    }

    fn refuse(&mut self, line: Line, hardware: HardwareAddress, refusal: Refusal) {
        self.counters.refuse(&refusal);
        self.commands.push_back(Command::Tell(Event::Refused { hardware, line, refusal }));
    }

    /// Whether a client that asks for an address may have one. What is no such question is not judged here.
    fn admits(&mut self, line: Line, message: &Message<'_>, now: Instant) -> bool {
        let limited = self.config.ports.get(usize::from(line.port.0)).is_some_and(|port| port.max_clients.is_some());
        if !limited && self.config.lockout.is_none() {
            return true;
        }
        if !matches!(message.kind(), Some(kind::DISCOVER | kind::REQUEST)) {
            return true;
        }
        let hardware = message.hardware().trimmed();
        match self.sessions.admits(line, &hardware, now) {
            Ok(()) => true,
            Err(refusal) => {
                self.refuse(line, hardware, refusal);
                false
            }
        }
    }

    /// A DHCP frame of either version from an upstream port, from its Ethernet header on. `snooped`: a copy, the original was
    /// forwarded; only DHCPv4 is.
    pub fn handle_server_frame(&mut self, frame: &[u8], snooped: bool, now: Instant) {
        let Ok(Datagram { source, destination, payload, .. }) = Datagram::parse(frame) else {
            if !snooped && self.server_frame6(frame, now) {
                self.drain(now);
            } else {
                self.counters.malformed += 1;
            }
            return;
        };
        if snooped {
            self.relay.handle_server_snoop(*source.ip(), *destination.ip(), payload, now);
        } else {
            self.relay.handle_server(*source.ip(), payload, now);
        }
        self.drain(now);
    }

    /// A DHCP message that arrived through a socket of one of our addresses (an embedded server in the same process, or
    /// the kernel's stack).
    pub fn handle_server_message(&mut self, from: Ipv4Addr, payload: &[u8], now: Instant) {
        self.relay.handle_server(from, payload, now);
        self.drain(now);
    }

    /// A message that [`Command::SendToServer`] asked for was not sent. What it was to bring about is not counted on.
    pub fn handle_unsent(&mut self, server: Ipv4Addr, payload: &[u8], now: Instant) {
        let Ok(message) = Message::parse(payload) else { return };
        if message.kind() == Some(kind::RELEASE) {
            let address = message.ciaddr();
            self.with_releases(|releases, context| releases.handle_unsent(server, address, context, now));
            self.drain(now);
        }
    }

    /// An access port changed. At start the shell reports every port once; a port whose interface index differs from
    /// that of the pinned maps is reported `Removed` first.
    pub fn handle_link(&mut self, port: PortId, event: LinkEvent, now: Instant) {
        self.fpcs.handle_link(port, event, now);
        self.silence.handle_link(port, event, now);
        self.drain(now);
    }

    /// From now on this tells when subscribers were last seen. Without it nobody counts as silent.
    pub fn handle_dataplane(&mut self, seen: Box<dyn Seen>) {
        self.seen = seen;
    }

    /// The data plane noticed something; it says so at a limited rate.
    pub fn handle_event(&mut self, event: DataPlaneEvent, _now: Instant) {
        self.commands.push_back(Command::Tell(Event::Noticed(event)));
    }

    /// An operator asks for something.
    ///
    /// # Errors
    ///
    /// When it can't be done; nothing was done then.
    pub fn handle_operator(&mut self, request: Request, now: Instant) -> Result<Answer, RequestError> {
        if !self.is_keeper() {
            return Err(RequestError::NotKeeper);
        }
        let answer = match request {
            Request::RestartFpc { fpc, policy } => {
                let card = self.config.fpcs.get(usize::from(fpc.0)).ok_or(RequestError::UnknownFpc)?;
                let (sessions, _) = self.sessions.fpc_count(fpc);
                let policy = policy.unwrap_or(card.policy);
                let kept = self.fpcs.is_exhausted(fpc);
                self.fpcs.handle_operator(fpc, Some(policy), now);
                match policy {
                    Policy::Logout if !kept => Answer::Restarting { sessions },
                    _ => Answer::Maintained { sessions },
                }
            }
            Request::ReleaseSession { address } => {
                let known = self.with_releases(|releases, context| releases.handle_logout(address, context, now));
                known.then_some(Answer::Asked).ok_or(RequestError::UnknownSession)?
            }
            Request::ReleaseClient6 { prefix } => self.release_client6(prefix, now)?,
            Request::Probe { server } => {
                let relay = self.relay.config();
                let known = relay.servers.contains(&server);
                let giaddr = relay.fpcs.first().map(|fpc| fpc.giaddr).filter(|_| known);
                let giaddr = giaddr.ok_or(RequestError::UnknownServer)?;
                let sent = self.with_releases(|releases, context| releases.handle_probe(server, giaddr, context, now));
                sent.then_some(Answer::Asked).ok_or(RequestError::Unauthenticated)?
            }
        };
        self.drain(now);
        Ok(answer)
    }

    /// The system's wall clock was set. Only what is written to disk and the schedule depend on it.
    pub fn handle_clock(&mut self, now: Instant, unix: u64) {
        self.clock = WallClock::new(now, unix);
        self.sessions.handle_clock(self.clock);
        self.six.iter_mut().for_each(|six| six.sessions.handle_clock(self.clock));
        self.fpcs.handle_clock(self.clock, now);
        self.drain(now);
    }

    /// Local time moved against UTC by this many seconds: summer time began or ended. Only daily schedules depend on it.
    pub fn handle_local_time(&mut self, moved: i64, now: Instant) {
        self.fpcs.handle_local_time(moved, now);
        self.drain(now);
    }

    /// Time has passed. Does a bounded amount of work; asks to be woken at once when there is more.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.sessions.handle_timeout(now);
        self.six.iter_mut().for_each(|six| six.sessions.handle_timeout(now));
        self.fpcs.handle_timeout(now);
        self.drain(now);
        if self.releases.poll_timeout().is_some_and(|wanted| wanted <= now) {
            self.with_releases(|releases, context| releases.handle_timeout(context, now));
            self.drain(now);
        }
        if self.six.as_ref().and_then(|six| six.releases.poll_timeout()).is_some_and(|wanted| wanted <= now) {
            self.with_releases6(|releases, context| releases.handle_timeout(context, now));
            self.drain(now);
        }
        if self.recoveries.poll_timeout().is_some_and(|wanted| wanted <= now) {
            self.recovery_timeout(now);
            self.drain(now);
        }
        if self.is_keeper() && self.reconcile.poll_timeout().is_some_and(|wanted| wanted <= now) {
            self.ask_servers(now);
            self.drain(now);
        }
        if self.sightings_due().is_some_and(|wanted| wanted <= now) {
            self.look_whom_we_saw(now);
        }
        if self.is_keeper() && self.silence.poll_timeout().is_some_and(|wanted| wanted <= now) {
            self.look_for_silent(now);
            self.drain(now);
        }
    }

    /// When [`Node::handle_timeout`] is wanted.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let cores = [
            self.sessions.poll_timeout(),
            self.six.as_ref().and_then(|six| six.sessions.poll_timeout()),
            self.six.as_ref().and_then(|six| six.releases.poll_timeout()),
            self.fpcs.poll_timeout(),
            self.releases.poll_timeout(),
            self.recoveries.poll_timeout(),
            self.reconcile.poll_timeout().filter(|_| self.is_keeper()),
            self.silence.poll_timeout().filter(|_| self.is_keeper()),
            self.sightings_due(),
        ];
        cores.into_iter().flatten().min()
    }

    /// The next thing to do.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }
}
