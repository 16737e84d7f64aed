//! The DHCPv6 half: relay and table of its own; line cards, epochs, limits and the clock are shared with DHCPv4.

use core::net::Ipv6Addr;

use super::presence::{Presence, Sights};
use super::{Command, Event, Node, V6Config};
use crate::line::{FpcId, HardwareAddress, Line, PortId};
use crate::relay::ConfigError;
use crate::session::{Bound, Refusal, SessionConfig};
use crate::time::Instant;
use crate::v6::relay::{self, Relay, Speaker, ToClient, ToServer, speaker};
use crate::v6::release::{Identity, ReleaseConfig, Releases};
use crate::v6::session::{self, Restoring, Sessions};
use crate::v6::{Login, Over, relay::Command as RelayCommand};
use crate::wire::frame6::Datagram6;

/// What a node has where DHCPv6 is configured.
#[derive(Debug)]
pub(super) struct Six {
    pub(super) relay: Relay,
    pub(super) sessions: Sessions,
    pub(super) releases: Releases,
    /// The login that the relay spoke of last was refused: its REPLY, which the relay speaks of next, must not arrive.
    refused_reply: bool,
}

impl Six {
    /// `sessions` are restored already. `fpcs`: names of the cards, former ones included.
    pub(super) fn new(
        config: &V6Config,
        sessions: Sessions,
        fpcs: Vec<String>,
        restart_hold: crate::time::Duration,
    ) -> Result<Self, ConfigError> {
        let relay = Relay::new(config.relay.clone())?;
        let identity = Identity {
            duid: config.relay.duid.clone(),
            types: config.relay.release_types,
            single_logout: config.relay.single_logout,
            links: config.relay.fpcs.iter().map(|fpc| fpc.link_address).collect(),
            fpcs,
        };
        let releases = Releases::new(ReleaseConfig { restart_hold, ..config.release.clone() }, identity);
        Ok(Self { relay, sessions, releases, refused_reply: false })
    }
}

/// Takes in the records of DHCPv6. Where it is not configured they are left alone: it may be again, and what has ended by
/// then ends then.
#[derive(Debug)]
pub(super) struct RestoringSix(pub(super) Option<Restoring>);

impl RestoringSix {
    pub(super) fn new(
        config: Option<&V6Config>,
        like: &SessionConfig,
        clock: crate::time::WallClock,
        now: Instant,
    ) -> Self {
        let config = config.map(|v6| SessionConfig { capacity: v6.capacity, ..like.clone() });
        Self(config.map(|config| Restoring::new(config, clock, now)))
    }

    /// Takes one record; false when it is not one of DHCPv6, or can't be used.
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) -> bool {
        match &mut self.0 {
            Some(restoring) => restoring.add(key, value),
            None => key.first() == Some(&session::PREFIX),
        }
    }
}

impl Node {
    /// A DHCPv6 frame from an access port. False when it is none, or nobody here speaks DHCPv6.
    pub(super) fn client_frame6(&mut self, port: PortId, frame: &[u8], now: Instant) -> bool {
        let (Some(six), Ok(datagram)) = (&mut self.six, Datagram6::parse(frame)) else { return false };
        let line = Line { port, tags: datagram.tags };
        self.silence.heard(line, datagram.source_mac);
        // The relay counts what is no DHCPv6.
        let speaker = speaker(datagram.payload);
        let source = (line, datagram.source_mac);
        let sights = Sights::new(&*self.seen, self.shared.as_deref(), now);
        let presence = Presence { sights, lasts: self.config.takeover_after };
        if speaker.is_some_and(|speaker| !six.speaks_for_itself(source, &speaker, &presence)) {
            six.relay.handle_not_theirs();
        } else if speaker.is_some_and(|speaker| six.claims_what_is_in_use(line, &speaker, &presence)) {
            self.refuse6(line, datagram.source_mac, Refusal::InUse);
        } else if speaker.is_none_or(|speaker| self.admits6(line, datagram.source_mac, &speaker, now)) {
            self.spoke6(line, datagram.source_mac, speaker, now);
            let Some(six) = &mut self.six else { return true };
            six.relay.handle_client(line, &datagram, now);
        }
        true
    }

    /// A DHCPv6 frame from an upstream port. False when it is none, or nobody here speaks DHCPv6.
    pub(super) fn server_frame6(&mut self, frame: &[u8], now: Instant) -> bool {
        let (Some(six), Ok(datagram)) = (&mut self.six, Datagram6::parse(frame)) else { return false };
        six.relay.handle_server(*datagram.source.ip(), datagram.payload, now);
        true
    }

    /// A DHCPv6 message that arrived through a socket of one of our addresses (an embedded server in the same process, or
    /// the kernel's stack).
    pub fn handle_server_message6(&mut self, from: Ipv6Addr, payload: &[u8], now: Instant) {
        if let Some(six) = &mut self.six {
            six.relay.handle_server(from, payload, now);
            self.drain(now);
        }
    }

    /// Whether a client that asks for leases may have some. What is no such question is not judged here.
    fn admits6(&mut self, line: Line, mac: [u8; 6], speaker: &Speaker<'_>, now: Instant) -> bool {
        let (Some(six), Some(client)) = (&self.six, speaker.client.filter(|_| speaker.logs_in())) else { return true };
        match six.sessions.admits(line, client, (!speaker.relayed).then_some(mac), now) {
            Ok(()) => true,
            Err(refusal) => {
                self.refuse6(line, mac, refusal);
                false
            }
        }
    }

    fn refuse6(&mut self, line: Line, mac: [u8; 6], refusal: Refusal) {
        self.counters.refuse(&refusal);
        let hardware = HardwareAddress::ethernet(mac);
        self.commands.push_back(Command::Tell(Event::Refused { hardware, line, refusal }));
    }

    /// Carries out one thing that the DHCPv6 half wants done, once its table wants nothing: what that persists comes before
    /// what the relay sends because of it. False when it wants nothing.
    pub(super) fn drain6(&mut self, now: Instant) -> bool {
        let Some(six) = &mut self.six else { return false };
        if let Some(command) = six.relay.poll_command() {
            self.on_relay6(command, now);
        } else if let Some(command) = six.releases.poll_command() {
            self.on_release6(command);
        } else {
            return false;
        }
        true
    }

    /// The same for its table.
    pub(super) fn drain_sessions6(&mut self) -> bool {
        let command = self.six.as_mut().and_then(|six| six.sessions.poll_command());
        command.map(|command| self.on_session6(command)).is_some()
    }

    fn on_session6(&mut self, command: session::Command) {
        if let session::Command::Ended { reason, .. } = &command {
            self.counters.ended6[*reason as usize] += 1;
        }
        if let session::Command::InstallRoute(route) = &command
            && route.fresh
        {
            self.begin_cell(true, route.slot);
        }
        self.commands.push_back(command.into());
    }

    fn on_relay6(&mut self, command: RelayCommand, now: Instant) {
        let Some(six) = &mut self.six else { return };
        match command {
            relay::Command::ToServer(ToServer { source, server, payload }) => {
                self.commands.push_back(Command::SendToServer6 { source, server, payload });
            }
            relay::Command::ToClient(ToClient { line, destination_mac, destination, port, payload }) => {
                // The REPLY of a login that was refused must not arrive.
                if !core::mem::take(&mut six.refused_reply) {
                    let send = Command::SendToClient6 { line, destination_mac, destination, port, payload };
                    self.commands.push_back(send);
                }
            }
            relay::Command::Bound(login, over) => self.bound6(*login, &over, now),
            // Its client does not hear that these are over, and will ask again.
            relay::Command::Unbound { .. } if six.refused_reply => {}
            relay::Command::Unbound { client, line, server, leases, ias, reason } => {
                six.sessions.unbind(client.as_duid(), line, server, &leases, &ias, reason, now);
            }
            relay::Command::Cleared { client, line, server, except } => {
                self.cleared6(client.as_duid(), line, server, &except, now);
            }
            relay::Command::ForRelease { server, payload } => {
                if self.is_keeper() {
                    self.for_release6(server, &payload, now);
                } else {
                    self.commands.push_back(Command::ForKeeper { server: server.into(), payload });
                }
            }
        }
    }

    /// A REPLY. What the table says to do about it goes to the shell before the REPLY itself.
    fn bound6(&mut self, login: Login, over: &Over, now: Instant) {
        let Some(six) = &mut self.six else { return };
        let Login { line, mac, server, relayed, .. } = login;
        let client = login.client.clone();
        let leases = login.granted.iter().map(|grant| grant.prefix).collect();
        let before = six.sessions.by_client(line, client.as_duid()).and_then(|session| session.own_mac());
        let sights = Sights::new(&*self.seen, self.shared.as_deref(), now);
        let presence = Presence { sights, lasts: self.config.takeover_after };
        let in_use = presence.of_leases(six.sessions.taken_over(&login)) == Some(true);
        let bound = if in_use { Err(Refusal::InUse) } else { six.sessions.bind_in_place(login, over, now) };
        if let (Ok(_), Some(former)) = (bound, before.filter(|before| *before != mac && !relayed)) {
            let (from, hardware) = (HardwareAddress::ethernet(former), HardwareAddress::ethernet(mac));
            let told = Event::Readdressed6 { client: client.clone(), from, hardware, line };
            self.commands.push_back(Command::Tell(told));
        }
        match bound {
            Ok(Bound::Renewed) => self.counters.renewals6 += 1,
            Ok(Bound::New | Bound::Moved) => {
                self.counters.logins6 += 1;
                // After the records and the routes, which are the table's to ask for.
                while self.drain_sessions6() {}
                let hardware = HardwareAddress::ethernet(mac);
                let told = Event::LoggedIn6 { client: client.clone(), leases, hardware, line, server };
                self.commands.push_back(Command::Tell(told));
                // A relay's MAC says nothing about its clients.
                if !relayed {
                    self.left_behind6(line, client.as_duid(), mac, now);
                }
            }
            Err(refusal) => {
                six.refused_reply = true;
                self.refuse6(line, mac, refusal);
            }
        }
    }

    /// From now on nobody logs in behind this card; inverse of [`Self::thaw6`].
    pub(super) fn freeze6(&mut self, fpc: FpcId) {
        self.six.iter_mut().for_each(|six| six.relay.freeze(fpc));
    }

    pub(super) fn thaw6(&mut self, fpc: FpcId, epoch: crate::scope::Epoch) {
        self.six.iter_mut().for_each(|six| six.relay.thaw(fpc, epoch));
    }
}

impl Six {
    /// Whether nobody else who is logged in suffers from this message. A DUID is the sender's to invent; what it can't
    /// change is its line, and on a line that it shares, its MAC; unless it has another one now, and nobody uses its leases
    /// with the former.
    fn speaks_for_itself(
        &self,
        (line, sender): (Line, [u8; 6]),
        speaker: &Speaker<'_>,
        presence: &Presence<'_>,
    ) -> bool {
        if !speaker.logs_in() && !speaker.gives_up() {
            return true;
        }
        let session = speaker.client.and_then(|client| self.sessions.by_client(line, client));
        match session {
            Some(session) if session.mac == sender => true,
            // The MAC is that of a relay below, which may be replaced while its clients stay.
            Some(_) if speaker.relayed => speaker.logs_in(),
            Some(session) => speaker.logs_in() && presence.of_leases(self.sessions.held(session)) == Some(false),
            // A server would believe anybody who names the client; what no session is known of is left to the lease's end.
            None => !speaker.gives_up(),
        }
    }

    /// Whether it asks for leases that the same client has on another line, and uses. The REPLY would be refused; but by then the
    /// server has noted where it was asked, and a logout of that card would end them there.
    fn claims_what_is_in_use(&self, line: Line, speaker: &Speaker<'_>, presence: &Presence<'_>) -> bool {
        let Some(client) = speaker.client.filter(|_| speaker.logs_in()) else { return false };
        presence.of_leases(self.sessions.claimed(line, client, &speaker.claims())) == Some(true)
    }
}
