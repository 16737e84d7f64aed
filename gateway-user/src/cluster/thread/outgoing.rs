//! What the core wants done: datagrams, the maps, announcements, and what the packet loop is told.

use gateway_common::unit::UnitState;
use gateway_common::vlan::VlanTags;
use gateway_core::cluster::{Command, Destination, Disposition, Event, UnitRule};
use gateway_core::member::MemberId;
use gateway_core::time::Instant;

use super::Core;
use crate::cluster::door::Output;
use crate::cluster::etcd::Told;
use crate::io::announce;

impl Core {
    pub(super) fn write_role(&self) {
        if let Err(error) = self.delivery.set_role(&self.role) {
            tracing::error!(%error, "the CLUSTER map can't be written");
        }
    }

    pub(super) fn carry_out(&mut self) {
        self.do_commands();
        if let Some(coordinator) = &self.coordinator
            && self.stand.replace(self.cluster.stand()) != Some(self.cluster.stand())
        {
            // It ends after us.
            let _ = coordinator.send(Told::Stand(self.cluster.stand()));
        }
        // The kernel serves what is ours for so long without us, and no longer.
        self.publish();
        let until_ns = self.cluster.acts_until().as_nanos().max(1);
        if until_ns != self.role.until_ns {
            self.role.until_ns = until_ns;
            self.write_role();
        }
    }

    /// Lets the packet loop know whether it may act.
    fn publish(&self) {
        match self.fenced {
            true => self.acting.fence(),
            false => self.acting.set(self.cluster.acts_until()),
        }
    }

    fn do_commands(&mut self) {
        while let Some(command) = self.cluster.poll_command() {
            match command {
                Command::Send { to, term, body } => match self.sealer.seal(term, &body) {
                    Ok(datagram) => self.send(to, &datagram),
                    Err(error) => tracing::error!(%error, "a control message can't be encoded"),
                },
                Command::SetUnits(rules) => self.set_units(&rules),
                Command::Flush { unit, .. } => self.output(Output::Flush(unit)),
                Command::Inject { frame, .. } => self.overrun += u64::from(!self.outputs.inject(frame)),
                Command::AnswerForCluster(answers) => {
                    let other = self.cluster.master().filter(|master| *master != self.me());
                    let master = if answers { Some(self.me()) } else { other };
                    self.role.master = master.map_or(0, |master| master.get().into());
                    self.write_role();
                    self.output(Output::Answers(answers));
                }
                Command::Announce => self.announce(),
                Command::Keeper(keeper) => self.output(Output::Keeper(keeper)),
                // The unit rules say it to the data plane, and what becomes of unit 0 to the node. The packet loop looks
                // before it acts.
                Command::Fence | Command::Unfence => {
                    self.fenced = command == Command::Fence;
                    self.publish();
                }
                Command::Disconnect(member) => self.output(Output::Disconnect(member)),
                Command::Left => self.output(Output::Left),
                Command::AskToJoin(member) => self.output(Output::AskToJoin(member)),
                Command::Degraded(degraded) => self.output(Output::Degraded(degraded)),
                Command::Record { term, units } => {
                    if let Some(coordinator) = &self.coordinator {
                        let _ = coordinator.send(Told::Record(term, units));
                    }
                }
                Command::Tell(event) => {
                    match event {
                        Event::Joined { master, .. } => self.output(Output::Joined(Some(master))),
                        Event::BecameMaster { .. } => self.output(Output::Joined(None)),
                        _ => {}
                    }
                    self.output(Output::Tell(event));
                }
            }
        }
    }

    fn me(&self) -> MemberId {
        self.cluster.me()
    }

    fn send(&mut self, to: Destination, datagram: &[u8]) {
        match to {
            Destination::Group => self.link.send_to_group(datagram),
            Destination::Member(member) => {
                if let Some(ip) = self.members.get(&member) {
                    self.link.send_to(datagram, *ip);
                }
            }
        }
    }

    fn set_units(&mut self, rules: &[UnitRule]) {
        // Before the first login of these units can come in: it is told by the new version.
        let owned: Vec<_> = rules
            .iter()
            .filter(|rule| rule.dhcp == Disposition::Own)
            .filter_map(|rule| Some((rule.unit, self.cluster.owns(rule.unit)?)))
            .collect();
        if !owned.is_empty() {
            self.output(Output::Owned(owned));
        }
        let states: Vec<_> = rules.iter().map(|rule| (rule.unit, state(rule))).collect();
        if let Err(error) = self.delivery.set_units(&states) {
            tracing::error!(%error, "the UNITS map can't be written");
        }
        self.output(Output::Owners(rules.iter().map(|rule| (rule.unit, rule.owner)).collect()));
    }

    fn announce(&mut self) {
        let shared = Some(self.role.shared_mac).filter(|mac| *mac != [0; 6]);
        let frames: Vec<_> = self
            .segments
            .iter()
            .flat_map(|segment| segment.addresses.iter().map(move |address| (segment, *address)))
            .map(|(segment, address)| {
                announce::at(segment.ifindex, VlanTags::NONE, segment.mac, shared.unwrap_or(segment.mac), address)
            })
            .collect();
        if shared.is_none() {
            self.output(Output::Announced);
        }
        // Said five times and every minute (H-CL-12): one that is lost is no matter.
        self.raw.send(&frames, |frame, error| tracing::debug!(frame.ifindex, %error, "an announcement was not sent"));
    }

    /// Tells the other members where our own address is.
    pub(super) fn hail(&mut self, now: Instant) {
        let Some(index) = self.link.hail(now) else { return };
        let Some(segment) = self.segments.iter().find(|segment| segment.is_link && segment.ifindex == index) else {
            return;
        };
        let Some(own) = self.members.get(&self.me()) else { return };
        let frame = announce::at(index, VlanTags::NONE, segment.mac, segment.mac, (*own).into());
        self.raw.send(&[frame], |_, error| tracing::debug!(%error, "our own address was not announced"));
    }

    fn output(&self, output: Output) {
        self.outputs.tell(output);
    }
}

fn state(rule: &UnitRule) -> UnitState {
    let number = |disposition| match disposition {
        Disposition::Foreign => UnitState::FOREIGN,
        Disposition::Own => UnitState::OWN,
        Disposition::Forward => UnitState::FORWARD,
        Disposition::Held => UnitState::HELD,
    };
    UnitState {
        data: number(rule.data),
        dhcp: number(rule.dhcp),
        owner: rule.owner.map_or(0, |owner| owner.get().into()),
    }
}
