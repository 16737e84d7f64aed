//! What happens to a member, and what it then does.

use std::rc::Rc;

use super::shell::Output;
use super::world::{Happening, LATE, World, id};
use crate::cluster::{Cluster, Command, Destination, Disposition, Event, UnitRule};
use crate::member::Term;
use crate::wire::cluster::{Assignment, Body, Header};

impl World {
    /// Something happens to a member.
    pub(super) fn with<T>(
        &mut self,
        node: usize,
        act: impl FnOnce(&mut Cluster, crate::time::Instant) -> T,
    ) -> Option<T> {
        let clock = self.nodes[node].clock(self.now);
        let machine = &mut self.nodes[node];
        if machine.paused.is_some() {
            return None;
        }
        let result = machine.cluster.as_mut().map(|cluster| act(cluster, clock));
        self.carry_out(node);
        result
    }

    pub(super) fn carry_out(&mut self, node: usize) {
        while let Some(command) = self.nodes[node].cluster.as_mut().and_then(Cluster::poll_command) {
            self.command(node, command);
        }
        let machine = &mut self.nodes[node];
        machine.wakeup += 1;
        let (wakeup, Some(cluster)) = (machine.wakeup, &machine.cluster) else { return };
        let Some(timeout) = cluster.poll_timeout() else { return };
        let delay = machine.when(timeout).saturating_sub(self.now).max(1) + self.random.range(0, LATE);
        self.after(delay, Happening::Wakeup { node, wakeup });
    }

    fn command(&mut self, node: usize, command: Command) {
        match command {
            Command::Send { to, term, body } => self.send(node, to, term, body),
            Command::SetUnits(rules) => {
                let cluster = self.nodes[node].cluster.as_ref();
                let own = rules.iter().filter(|rule| rule.dhcp == Disposition::Own);
                let version = |rule: &UnitRule| Some((rule.unit, cluster?.owns(rule.unit)?));
                let owned: Vec<_> = own.filter_map(version).collect();
                if !owned.is_empty() {
                    self.tell_loop(node, Output::Owned(owned));
                }
                for rule in rules {
                    self.rule(node, rule.unit.index() as usize, rule.data, rule.dhcp);
                }
            }
            Command::Flush { unit, .. } => {
                self.tell_loop(node, Output::Flush(unit));
            }
            Command::Inject { unit, frame } => {
                if let Some(number) = super::changeover::number(&frame) {
                    return self.inject_data(node, unit, number);
                }
                let rules = self.nodes[node].rules[unit.index() as usize];
                assert_eq!(rules.1, Disposition::Own, "injected where it is not owned");
                self.injected += 1;
            }
            Command::AnswerForCluster(answers) => self.nodes[node].answers = answers,
            Command::Keeper(keeper) => self.nodes[node].keeper = keeper,
            Command::AskToJoin(member) => {
                let (delay, boot) = (self.random.range(100, 50_000), self.nodes[node].boot);
                self.after(delay, Happening::Approved { node, boot, member });
            }
            Command::Disconnect(member) => self.part(node, usize::from(member.get()) - 1),
            Command::Fence => self.nodes[node].fenced = true,
            Command::Unfence => self.nodes[node].fenced = false,
            Command::Left => {
                self.say(|| format!("member {} has left", id(node)));
                self.kill(node);
            }
            Command::Tell(event) => {
                self.tell(node, &event);
                match event {
                    Event::HandoverIncomplete { .. } => self.incomplete += 1,
                    Event::Joined { master, .. } => self.tell_loop(node, Output::Joined(Some(master))),
                    Event::BecameMaster { .. } => self.tell_loop(node, Output::Joined(None)),
                    _ => {}
                }
            }
            Command::Announce | Command::Degraded(_) | Command::Record { .. } => {}
        }
    }

    fn tell(&self, node: usize, event: &Event) {
        self.say(|| format!("        {}: {event}", id(node)));
    }

    /// What is said of the unit that is watched.
    fn trace(&self, from: usize, to: Destination, body: &Body) {
        let (Body::UnitAssign { units, .. }
        | Body::UnitAssignAck(units)
        | Body::UnitDeassign(units)
        | Body::UnitStop(units)
        | Body::UnitStopped(units)
        | Body::UnitDeassignAck { units, .. }) = body
        else {
            return;
        };
        let watched = |assignment: &&Assignment| Some(assignment.unit.index() as usize) == self.watched;
        if let Some(assignment) = units.iter().find(watched) {
            let kind = format!("{body:?}");
            let kind = kind.split(['(', ' ']).next().unwrap_or_default().to_owned();
            self.say(|| format!("        {} to {to:?}: {kind} {assignment:?}", id(from)));
        }
    }

    fn send(&mut self, from: usize, to: Destination, term: Term, body: Body) {
        self.nodes[from].seq += 1;
        let (seq, boot) = (self.nodes[from].seq, self.nodes[from].boot);
        let header = Header { cluster: 1, sender: id(from), term, seq };
        self.trace(from, to, &body);
        let body = Rc::new(body);
        let receivers = match to {
            Destination::Group => (0..self.nodes.len()).filter(|other| *other != from).collect(),
            Destination::Member(member) => vec![usize::from(member.get()) - 1],
        };
        for to in receivers {
            for arrival in self.network.arrivals(from, to, self.now, &mut self.random) {
                let body = Rc::clone(&body);
                self.after(arrival - self.now, Happening::Datagram { from, to, boot, header, body });
            }
        }
    }

    pub(super) fn rule(&mut self, node: usize, unit: usize, data: Disposition, dhcp: Disposition) {
        let old = core::mem::replace(&mut self.nodes[node].rules[unit], (data, dhcp));
        if self.watched == Some(unit) && old != (data, dhcp) {
            self.say(|| format!("        {}: unit {unit}: data {data:?}, DHCP {dhcp:?}", id(node)));
        }
        for (owners, disposition) in [(&mut self.data[unit], data), (&mut self.dhcp[unit], dhcp)] {
            if disposition == Disposition::Own {
                owners.insert(node);
            } else {
                owners.remove(&node);
            }
        }
        if self.dhcp[unit].len() > 1 || self.data[unit].len() > 2 {
            self.contested.insert(unit);
        }
    }
}
