//! What must hold at all times, and what must hold in the end.

use super::world::{World, id};
use crate::cluster::state::State;
use crate::cluster::{Disposition, Role};

impl World {
    /// At all times, under a quorum.
    pub(super) fn check(&mut self) {
        if !self.strict {
            return;
        }
        let masters = (0..self.nodes.len()).filter(|node| {
            let machine = &self.nodes[*node];
            machine.acts() && machine.cluster.as_ref().is_some_and(|cluster| cluster.role() == Role::Master)
        });
        let masters: Vec<_> =
            masters.map(|node| (id(node), self.nodes[node].cluster.as_ref().map(|c| c.term))).collect();
        assert!(masters.len() <= 1, "{} us: masters {masters:?}", self.now);
        let Self { contested, dhcp, data, .. } = self;
        contested.retain(|unit| dhcp[*unit].len() > 1 || data[*unit].len() > 2);
        self.check_units();
    }

    /// No unit is owned twice by members that act. Planned moves overlap in data, by one old owner.
    fn check_units(&self) {
        for unit in &self.contested {
            for (what, owners, most) in [("DHCP", &self.dhcp[*unit], 1), ("data", &self.data[*unit], 2)] {
                let owners: Vec<_> =
                    owners.iter().filter(|node| self.nodes[**node].acts()).map(|node| id(*node)).collect();
                assert!(owners.len() <= most, "{} us: {what} of unit {unit} is owned by all of {owners:?}", self.now);
            }
        }
    }

    /// One master, whom all follow; each unit with one owner, of whom all know; as many units for each, but one.
    pub(super) fn is_settled(&self) -> Result<(), String> {
        let alive: Vec<_> = (0..self.nodes.len()).filter(|node| self.nodes[*node].acts()).collect();
        if alive.len() < self.nodes.len() {
            return Err(format!("only {alive:?} act"));
        }
        let cluster = |node: usize| self.nodes[node].cluster.as_ref().expect("alive");
        let masters: Vec<_> = alive.iter().filter(|node| cluster(**node).role() == Role::Master).collect();
        let [master] = masters[..] else { return Err(format!("masters {masters:?}")) };
        let State::Master(ruling) = &cluster(*master).state else { return Err("no master".into()) };
        let answers: Vec<_> = alive.iter().filter(|node| self.nodes[**node].answers).collect();
        if answers != [master] {
            return Err(format!("{answers:?} answer for the cluster"));
        }
        for node in &alive {
            if cluster(*node).ruler() != Some((id(*master), ruling.term)) || self.nodes[*node].fenced {
                return Err(format!("member {} does not follow", id(*node)));
            }
        }
        let mut counts = vec![0u32; self.nodes.len()];
        for unit in 0..1024 {
            let owners: Vec<_> =
                alive.iter().copied().filter(|node| self.nodes[*node].rules[unit].1 == Disposition::Own).collect();
            let data: Vec<_> =
                alive.iter().copied().filter(|node| self.nodes[*node].rules[unit].0 == Disposition::Own).collect();
            let number = gateway_common::unit::Unit::new(unit as u16).expect("a unit");
            let [owner] = owners[..] else {
                let (entry, phase) = (cluster(*master).table.get(number), ruling.phases.get(&number));
                let held = cluster(*master).holdings.get(number);
                return Err(format!(
                    "unit {unit} is owned by {owners:?}; the master has {entry:?}, {phase:?}, {held:?}"
                ));
            };
            if data != [owner] {
                return Err(format!("unit {unit} is owned by {owner}, its data by {data:?}"));
            }
            counts[owner] += 1;
            let wrong = alive.iter().find(|node| cluster(**node).table.get(number).owner != Some(id(owner)));
            if let Some(node) = wrong {
                return Err(format!("member {} does not know who owns unit {unit}", id(*node)));
            }
        }
        if let Some(node) = alive.iter().find(|node| self.nodes[**node].keeper != self.nodes[*master].keeper) {
            return Err(format!("member {} has another keeper", id(*node)));
        }
        let counts: Vec<_> = alive.iter().map(|node| counts[*node]).collect();
        let (most, fewest) = (counts.iter().max(), counts.iter().min());
        if most.zip(fewest).is_none_or(|(most, fewest)| most - fewest > 1) {
            return Err(format!("units {counts:?}"));
        }
        self.agree()
    }
}
