//! What comes in, and how it reaches the node.

use std::io;
use std::net::IpAddr;

use gateway_common::Ip6;
use gateway_common::event::{DropSample, Event, EventKind};
use gateway_common::punt::{PuntHeader, PuntReason};
use gateway_common::verdict::Program;
use gateway_core::node::DataPlaneEvent;
use gateway_core::time::{Duration, Instant};
use tokio::sync::mpsc;

use super::Gateway;
use super::calls::Word;
use super::cluster::membership::Members;
use crate::control::Question;
use crate::dataplane::{Ring, record};
use crate::io::netlink::Monitor;
use crate::io::udp::Received;

/// Records of a ring taken at once: bounds how long a batch keeps its clients waiting.
const AT_ONCE: usize = 512;
/// A client repeats a request that got no answer after this long (RFC 2131 4.1); what waited longer, while no
/// controller ran, is not relayed any more.
const STALE: Duration = Duration::from_secs(4);

/// The sources of input.
pub(super) struct Inputs {
    pub(super) punt: Ring,
    pub(super) events: Ring,
    pub(super) drops: Ring,
    pub(super) monitor: Monitor,
    pub(super) received: mpsc::Receiver<Received>,
    questions: mpsc::Receiver<Question>,
    asked: Option<Question>,
    /// What servers tell of their leases.
    heard: mpsc::Receiver<Word>,
    first_heard: Option<Word>,
    /// There is no need to wait: a batch left something behind, or packets are gathering.
    pub(super) hurry: bool,
    /// Messages about interfaces were lost: list them again soon.
    pub(super) relist: bool,
    /// A datagram that woke us.
    first: Option<Received>,
    /// The link monitor has something.
    netlink: bool,
    /// What comes from the cluster, when there is one.
    pub(super) members: Option<Members>,
}

impl Inputs {
    pub(super) fn new(
        rings: crate::dataplane::Rings,
        monitor: Monitor,
        received: mpsc::Receiver<Received>,
        questions: mpsc::Receiver<Question>,
        heard: mpsc::Receiver<Word>,
    ) -> Self {
        let crate::dataplane::Rings { punt, events, drops } = rings;
        // What waited in the rings while no controller ran announces itself only by the first look.
        Self {
            punt,
            events,
            drops,
            monitor,
            received,
            questions,
            asked: None,
            heard,
            first_heard: None,
            hurry: true,
            relist: false,
            first: None,
            netlink: false,
            members: None,
        }
    }

    /// Returns when there is something to take. Costs no system call for what is not there.
    pub(super) async fn wait(&mut self) -> io::Result<()> {
        let hurry = std::mem::take(&mut self.hurry);
        if hurry {
            // Lets the runtime look at its descriptors, and its other tasks have their turn.
            tokio::task::yield_now().await;
            if self.members.is_some() {
                // Only now do those run whose descriptors had something: this is what other members say.
                tokio::task::yield_now().await;
            }
        }
        tokio::select! {
            biased;
            result = self.monitor.readable() => {
                self.netlink = true;
                result
            }
            Some(received) = self.received.recv() => {
                self.first = Some(received);
                Ok(())
            }
            Some(word) = self.heard.recv() => {
                self.first_heard = Some(word);
                Ok(())
            }
            Some(question) = self.questions.recv() => {
                self.asked = Some(question);
                Ok(())
            }
            result = async { self.members.as_mut().expect("there").wait().await }, if self.members.is_some() => result,
            result = self.punt.readable() => result,
            result = self.events.readable() => result,
            result = self.drops.readable() => result,
            () = std::future::ready(()), if hurry => Ok(()),
        }
    }

    /// Whether the cluster's thread has failed.
    pub(super) fn has_lost_cluster(&self) -> bool {
        self.members.as_ref().is_some_and(Members::has_ended)
    }
}

impl Gateway {
    /// Takes what has come, up to a bound, and gives it to the node.
    pub(super) fn take(&mut self, inputs: &mut Inputs, now: Instant) -> usize {
        let mut packets = 0;
        let mut drained = inputs.punt.drain(AT_ONCE, |octets| {
            packets += 1;
            self.punted(octets, now);
        });
        for _ in 0..AT_ONCE {
            let Some(message) = inputs.first.take().or_else(|| inputs.received.try_recv().ok()) else { break };
            packets += 1;
            if self.acts() {
                match message.from {
                    IpAddr::V4(from) => self.node.handle_server_message(from, &message.payload, now),
                    IpAddr::V6(from) => self.node.handle_server_message6(from, &message.payload, now),
                }
            }
        }
        if std::mem::take(&mut inputs.netlink) {
            let mut changes = Vec::new();
            if let Err(error) = inputs.monitor.drain(|change| changes.push(change)) {
                tracing::error!(%error, "the link monitor can't be read");
                inputs.relist = true;
            }
            for change in changes {
                inputs.relist |= self.handle_change(change, now);
            }
        }
        drained &= inputs.events.drain(AT_ONCE, |octets| self.noticed(octets, now));
        drained &= inputs.drops.drain(AT_ONCE, |octets| {
            if let Some(sample) = record::<DropSample>(octets) {
                self.recent.drop_sample(&sample, &self.ports);
            }
        });
        if let Some(mut members) = inputs.members.take() {
            drained &= !self.take_members(&mut members, now);
            inputs.members = Some(members);
        }
        if let Some(word) = inputs.first_heard.take() {
            // One at a time: whoever logs in goes first.
            self.heard_of_lease(word, now);
        }
        inputs.hurry = !drained;
        if let Some(question) = inputs.asked.take() {
            // What is told is so in the kernel, too.
            self.carry_out(now);
            self.hear_of_subnets();
            // Whoever asked may have gone.
            let _ = question.answer.send(self.answer(question.request));
        }
        packets
    }

    /// What happened to the embedded server's subnets joins the other events.
    pub(super) fn hear_of_subnets(&mut self) {
        let Some(server) = &self.embedded else { return };
        for event in server.lookup().subnet_events() {
            self.recent.subnet(event);
        }
    }

    /// A record of the `PUNT` ring.
    fn punted(&mut self, octets: &[u8], now: Instant) {
        let Some(header) = record::<PuntHeader>(octets) else { return };
        let frame = octets.get(size_of::<PuntHeader>()..).and_then(|octets| octets.get(..usize::from(header.len)));
        let (Some(frame), Some(reason)) = (frame, PuntReason::from_u32(header.reason)) else { return };
        let held = matches!(reason, PuntReason::HeldAccess | PuntReason::HeldUpstream);
        // What came while this member stood still is another's by now; its client repeats it.
        if !held && !self.acts() {
            self.fenced_frames += 1;
            return;
        }
        match reason {
            PuntReason::Client | PuntReason::ClientSnoop | PuntReason::Client6 => {
                let snooped = reason == PuntReason::ClientSnoop;
                let waited = now.since(Instant::from_nanos(header.time_ns));
                // A login that can't be stored would be lost by a crash: while the store is down nobody is let in.
                if !snooped && (waited > STALE || self.outbox.store.is_down()) {
                    return;
                }
                if let Some(port) = self.ports.access_at(header.ifindex) {
                    self.node.handle_client_frame(port, frame, snooped, now);
                }
            }
            PuntReason::Server | PuntReason::ServerSnoop | PuntReason::Server6 => {
                self.node.handle_server_frame(frame, reason == PuntReason::ServerSnoop, now);
            }
            PuntReason::RouterSolicitation => {
                if let Some(port) = self.ports.access_at(header.ifindex) {
                    self.solicited(port, frame, now);
                }
            }
            PuntReason::HeldAccess => self.held(Program::Access, &header, frame),
            PuntReason::HeldUpstream => self.held(Program::Upstream, &header, frame),
            PuntReason::Advertisement => {
                if let Some(port) = self.ports.access_at(header.ifindex) {
                    self.node.handle_advertisement(port, frame, now);
                }
            }
        }
    }

    /// A record of the `EVENTS` ring.
    fn noticed(&mut self, octets: &[u8], now: Instant) {
        let Some(event) = record::<Event>(octets) else { return };
        let Some(kind) = EventKind::from_u32(event.kind) else { return };
        let port = self.ports.access_at(event.ifindex);
        let address = match event.address6 {
            Ip6::UNSPECIFIED => IpAddr::V4(event.address.into()),
            address => IpAddr::V6(address.into()),
        };
        let (mac, tags) = (event.mac, event.tags);
        self.node.handle_event(DataPlaneEvent { kind, port, address, mac, tags }, now);
    }
}
