//! Interfaces that come, go, and lose their carrier: attachments, and what the node is told.

use anyhow::Context;
use gateway_core::fpc::LinkEvent;
use gateway_core::time::Instant;

use super::inputs::Inputs;
use super::{Gateway, settings};
use crate::dataplane::Attachment;
use crate::io::netlink::{Change, Link, Tables6};
use crate::io::sysctl;

impl Gateway {
    /// At the start: attaches to a port's interface, if there is one, and reports the port's state to the node.
    pub(super) fn first_look(&mut self, place: usize, now: Instant) -> anyhow::Result<()> {
        let entry = self.ports.get(place);
        let (name, access) = (entry.name.clone(), entry.access);
        let Some(link) = entry.link.clone() else {
            tracing::warn!(interface = name, "there is no such interface yet; it is used when it appears");
            let event = if self.dataplane.is_pinned(&name) { LinkEvent::Removed } else { LinkEvent::Down };
            self.dataplane.unpin(&name)?;
            if let Some(port) = access {
                self.node.handle_link(port, event, now);
            }
            return Ok(());
        };
        let renewed = self.attach(place, &link)?;
        if let Some(port) = access {
            if renewed {
                self.node.handle_link(port, LinkEvent::Removed, now);
            }
            self.node.handle_link(port, if link.up { LinkEvent::Up } else { LinkEvent::Down }, now);
        }
        Ok(())
    }

    /// Attaches; true when an interface of this name was attached to before and this is another one.
    fn attach(&mut self, place: usize, link: &Link) -> anyhow::Result<bool> {
        let entry = self.ports.get(place);
        let port = entry.port().context("a port without an interface")?;
        if entry.access.is_some() {
            sysctl::prepare_access(&link.name, self.config.gateway.proxy_arp);
        }
        let mode = settings::mode(&self.config);
        let now_attached = match link.xdp {
            1 => Some(Attachment::Native),
            2 => Some(Attachment::Generic),
            _ => None,
        };
        let attached = self.dataplane.attach(&link.name, link.ifindex, &port, mode, now_attached)?;
        let mode = match (attached.how, now_attached) {
            (Attachment::Generic, _) | (Attachment::Adopted, Some(Attachment::Generic)) => "generic",
            (Attachment::Native | Attachment::Adopted, _) => "native",
        };
        let adopted = attached.how == Attachment::Adopted;
        tracing::info!(interface = link.name, mode, adopted, "attached");
        self.ports.set_mode(place, mode);
        Ok(attached.renewed)
    }

    /// Something about an interface or an address changed. True when everything has to be listed again.
    pub(super) fn handle_change(&mut self, change: Change, now: Instant) -> bool {
        match change {
            Change::Link(link) => self.handle_link(link, now),
            Change::Gone { ifindex } => {
                if let Some(place) = self.ports.place_at(ifindex) {
                    self.gone(place, now);
                }
            }
            Change::Address(address) => {
                if self.locals.insert(address) {
                    self.rewrite_locals();
                }
            }
            Change::NoAddress(address) => {
                // Another interface may have it too: the listing says.
                self.locals.remove(&address);
                return true;
            }
            Change::Rule(rule) => {
                if self.tables6.rules.insert(rule) {
                    self.rewrite_locals();
                }
            }
            Change::LocalPrefix(..) | Change::Relisting => return true,
        }
        false
    }

    fn handle_link(&mut self, link: Link, now: Instant) {
        // An interface that took another name is no longer the port it was.
        if let Some(place) = self.ports.place_at(link.ifindex)
            && self.ports.get(place).name != link.name
        {
            self.gone(place, now);
        }
        let Some(place) = self.ports.place_of(&link.name) else { return };
        match self.ports.get(place).link.clone() {
            Some(before) if before.ifindex == link.ifindex => self.changed(place, &before, link, now),
            Some(_) => {
                self.gone(place, now);
                self.appeared(place, link, now);
            }
            None => self.appeared(place, link, now),
        }
        self.tell_segments();
    }

    fn changed(&mut self, place: usize, before: &Link, link: Link, now: Instant) {
        let (ifindex, up) = (link.ifindex, link.up);
        let rewrite = before.mac != link.mac || before.mtu != link.mtu;
        self.ports.set(place, Some(link));
        let entry = self.ports.get(place);
        let access = entry.access;
        if rewrite && let Some(port) = entry.port() {
            if let Err(error) = self.dataplane.set_port(ifindex, &port) {
                tracing::error!(interface = entry.name, %error, "the PORTS map can't be written");
            }
            // Its link-local address comes of its MAC.
            self.rewrite_locals();
        }
        if let Some(port) = access.filter(|_| before.up != up) {
            self.node.handle_link(port, if up { LinkEvent::Up } else { LinkEvent::Down }, now);
            if up {
                // Setting an interface down made the kernel forget its routes and neighbours.
                self.carry_out(now);
                self.install_again(place, now);
            }
        }
    }

    fn gone(&mut self, place: usize, now: Instant) {
        let Some(link) = self.ports.set(place, None) else { return };
        tracing::warn!(interface = link.name, "the interface is gone");
        self.ports.set_mode(place, "");
        let forgotten = self.dataplane.forget_port(link.ifindex).map_err(anyhow::Error::from);
        // Kept where the same interface only took another name: it is detached by this.
        if let Err(error) = forgotten.and_then(|()| self.dataplane.unpin(&self.ports.get(place).name)) {
            tracing::error!(interface = link.name, error = format!("{error:#}"), "can't clean up after it");
        }
        if let Some(port) = self.ports.get(place).access {
            self.node.handle_link(port, LinkEvent::Removed, now);
        }
    }

    fn appeared(&mut self, place: usize, link: Link, now: Instant) {
        tracing::info!(interface = link.name, ifindex = link.ifindex, "the interface is there");
        let up = link.up;
        self.ports.set(place, Some(link.clone()));
        self.rewrite_locals();
        if let Err(error) = self.attach(place, &link) {
            tracing::error!(interface = link.name, error = format!("{error:#}"), "can't attach; trying again");
        }
        if let Some(port) = self.ports.get(place).access {
            self.node.handle_link(port, if up { LinkEvent::Up } else { LinkEvent::Down }, now);
            self.carry_out(now);
            self.install_again(place, now);
        }
    }

    /// Installs the routes of one port again, with today's interface index.
    fn install_again(&mut self, place: usize, now: Instant) {
        let Some(port) = self.ports.get(place).access else { return };
        let routes = self.node.routes().filter(|route| route.port == port);
        let routes = routes.map(|route| gateway_core::node::Route { fresh: false, ..route });
        self.outbox.install(&self.dataplane, &self.ports, routes, now);
        let routes = self.node.routes6().filter(|route| route.port == port);
        self.outbox.install6(&self.ports, routes, now);
        if let Some(kernel) = self.outbox.kernel() {
            kernel.flush();
        }
    }

    /// Tries again to attach where it failed.
    pub(super) async fn retry_attachments(&mut self, inputs: &mut Inputs, now: Instant) {
        for place in 0..self.ports.len() {
            let entry = self.ports.get(place);
            let Some(link) = entry.link.clone().filter(|_| entry.mode.is_empty()) else { continue };
            if let Err(error) = self.attach(place, &link) {
                tracing::debug!(interface = link.name, error = format!("{error:#}"), "still can't attach");
            }
        }
        if std::mem::take(&mut inputs.relist) {
            self.relist(inputs, now).await;
        }
    }

    /// Lists interfaces and addresses, and treats what is not among them as gone.
    async fn relist(&mut self, inputs: &mut Inputs, now: Instant) {
        let mut changes = Vec::new();
        if let Err(error) = inputs.monitor.list(|change| changes.push(change)).await {
            tracing::error!(%error, "interfaces can't be listed");
            inputs.relist = true;
            return;
        }
        let present: Vec<u32> = changes
            .iter()
            .filter_map(|change| match change {
                Change::Link(link) => Some(link.ifindex),
                _ => None,
            })
            .collect();
        for place in 0..self.ports.len() {
            let missing = self.ports.get(place).link.as_ref().is_some_and(|link| !present.contains(&link.ifindex));
            if missing {
                self.gone(place, now);
            }
        }
        self.locals.clear();
        self.tables6 = Tables6::default();
        for change in changes {
            if let Some(change) = self.note(change) {
                inputs.relist |= self.handle_change(change, now);
            }
        }
        self.rewrite_locals();
    }
}
