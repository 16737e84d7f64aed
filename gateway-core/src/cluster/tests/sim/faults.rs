//! What goes wrong.

use super::network::Micros;
use super::world::{Happening, World, id, pair};
use crate::cluster::{Request, Role};

impl World {
    /// Something of everything that can happen.
    pub(super) fn mishap(&mut self) {
        let members = self.nodes.len();
        let node = self.random.range(0, members as u64) as usize;
        let other = self.random.range(0, members as u64) as usize;
        match self.random.range(0, 12) {
            0 => {
                for side in &mut self.network.side {
                    *side = (self.random.next() % 2) as u8;
                }
                self.say(|| format!("the network splits: {:?}", self.network.side));
                self.disconnect();
            }
            1 => {
                self.network.side.fill(0);
                self.network.side[node] = 1;
                self.say(|| format!("member {} is cut off", id(node)));
                self.disconnect();
            }
            2 if node != other => {
                self.network.cut.insert((node, other));
                self.say(|| format!("member {} does not hear member {}", id(other), id(node)));
                self.disconnect();
            }
            3 | 4 => {
                self.say(|| "the network is whole".into());
                self.network.join();
            }
            5 if self.nodes[node].cluster.is_some() => {
                self.kill(node);
                if self.random.chance(300) && self.is_expendable(node) {
                    self.say(|| format!("the disk of member {} is lost", id(node)));
                    self.nodes[node].disk.clear();
                    self.nodes[node].stored.clear();
                }
            }
            6 | 7 => self.start_dead(),
            8 => {
                let time = self.random.range(20_000, 1_500_000);
                if self.nodes[node].acts() {
                    self.pause(node, time);
                }
            }
            9 => {
                self.network.loss = self.random.range(0, 300);
                self.network.doubled = self.random.range(0, 50);
                self.network.reordered = [0, 100, 1000][self.random.range(0, 3) as usize];
                let most = [300, 2_000, 20_000, 80_000][self.random.range(0, 4) as usize];
                self.network.delay = (30, most);
                self.say(|| format!("loses {} of 1000, delay {most} us", self.network.loss));
            }
            10 => {
                let request =
                    if self.random.chance(500) { Request::Drain(id(node)) } else { Request::Undrain(id(node)) };
                for master in 0..members {
                    let rules = |world: &Self| world.nodes[master].cluster.as_ref().map(|cluster| cluster.role());
                    if rules(self) == Some(Role::Master) {
                        self.say(|| format!("{request:?}"));
                        self.with(master, |cluster, now| cluster.handle_operator(request, now).is_ok());
                    }
                }
            }
            _ if self.nodes[node].acts() && self.random.chance(300) => {
                self.say(|| format!("member {} shall leave", id(node)));
                self.with(node, |cluster, now| cluster.handle_operator(Request::Exit, now).is_ok());
            }
            _ => {}
        }
    }

    pub(super) fn start_dead(&mut self) {
        for node in 0..self.nodes.len() {
            if self.nodes[node].cluster.is_none() {
                self.start(node);
            }
        }
    }

    /// Connections over links that carry nothing end after a while.
    fn disconnect(&mut self) {
        for (a, b) in self.connected.keys().copied().collect::<Vec<_>>() {
            if !self.network.carries(a, b) || !self.network.carries(b, a) {
                let delay: Micros = self.random.range(300_000, 3_000_000);
                self.after(delay, Happening::Disconnect { a, b });
            }
        }
    }

    /// Everything works again.
    pub(super) fn heal(&mut self) {
        self.say(|| "everything works again".into());
        self.network.heal();
        for node in 0..self.nodes.len() {
            let leaves = self.nodes[node].cluster.as_ref().is_some_and(|cluster| cluster.leaving);
            if leaves {
                self.kill(node);
            }
        }
        self.start_dead();
        for node in 0..self.nodes.len() {
            for other in (0..node).filter(|other| !self.connected.contains_key(&pair(node, *other))).collect::<Vec<_>>()
            {
                let delay = self.random.range(1_000, 100_000);
                self.after(delay, Happening::Connect { a: other, b: node });
            }
        }
    }

    /// Nobody is drained any more.
    pub(super) fn undrain(&mut self) {
        let members = self.nodes.len();
        for node in 0..members {
            for member in 0..members {
                self.with(node, |cluster, now| cluster.handle_operator(Request::Undrain(id(member)), now).is_ok());
            }
        }
    }
}
