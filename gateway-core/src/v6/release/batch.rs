//! One message under way, and its repetitions.

use core::net::Ipv6Addr;

use super::command::{Command, Event};
use super::engine::Desk;
use super::item::Item;
use super::message;
use crate::release::patience;
use crate::time::{Duration, Instant};
use crate::wire::dhcp6::release::set_elapsed;

#[derive(Debug)]
pub(super) struct Batch {
    pub(super) server: Ipv6Addr,
    /// Where it comes from, and says to be.
    pub(super) link: Ipv6Addr,
    pub(super) items: Vec<Item>,
    /// A RELEASE for its only client, instead of a RELEASE-REQUEST.
    pub(super) individually: bool,
    /// Without the RELAY-FORW. The same in every transmission but for its elapsed time (RR-24).
    pub(super) message: Vec<u8>,
    /// Transmissions so far.
    pub(super) sent: u8,
    pub(super) next: Instant,
    interval: Option<Duration>,
}

impl Batch {
    pub(super) fn new(items: Vec<Item>, individually: bool, message: Vec<u8>, desk: &Desk<'_, '_>) -> Option<Self> {
        let first = &items.first()?.client;
        let (server, link) = (first.server, desk.identity.link(first.fpc));
        Some(Self { server, link, items, individually, message, sent: 0, next: desk.now, interval: None })
    }

    /// Sends it once more (or first), and sets the next deadline.
    pub(super) fn transmit(&mut self, xid: u32, desk: &mut Desk<'_, '_>) {
        let age = self.items.first().map_or(Duration::ZERO, |item| item.decision.age(desk.now));
        set_elapsed(&mut self.message, message::hundredths(age));
        let payload = message::wrapped(&self.message, self.link, desk.config, desk.identity);
        desk.commands.push_back(Command::SendToServer { source: self.link, server: self.server, payload });
        let interval = patience(self.interval, (desk.context.random)());
        (self.interval, self.next) = (Some(interval), desk.now + interval);
        self.sent += 1;
        let (server, clients, transmission, individually) =
            (self.server, self.items.len(), self.sent, self.individually);
        desk.tell(Event::Sent { server, xid, clients, transmission, individually });
    }
}
