//! What becomes of frames that reach all members, while units move from one to another.

use gateway_common::unit::Unit;

use super::network::Micros;
use super::scenario::{config, settle, sharing};
use super::shell::Sharing;
use super::world::{Happening, World, id};
use crate::cluster::state::State;
use crate::cluster::{Constants, Delivery, Disposition, HeldFrame, Quorum, Request, Role};
use crate::seeds::Random;
use crate::time::Duration;

/// A frame is on its way to one member for up to so much longer than to another.
const APART: Micros = 25;
/// From the data plane to the core.
const PUNTED: (Micros, Micros) = (20, 2_000);
/// From the core to the data plane.
const INJECTED: (Micros, Micros) = (20, 1_000);

/// A frame of data: it came from upstream, and says its number.
fn frame(number: usize) -> HeldFrame {
    HeldFrame { port: None, frame: [[0; 8], (number as u64).to_be_bytes()].concat() }
}

/// The number of a frame of data.
pub(super) fn number(frame: &HeldFrame) -> Option<usize> {
    let number = frame.frame.get(8..)?.first_chunk().filter(|_| frame.port.is_none())?;
    Some(u64::from_be_bytes(*number) as usize)
}

impl World {
    /// A frame of this unit is sent to all.
    fn send_data(&mut self, unit: usize) {
        let number = self.served.len();
        self.served.push(0);
        for node in 0..self.nodes.len() {
            let delay = self.random.range(0, APART);
            self.after(delay, Happening::Data { node, unit, number });
        }
    }

    pub(super) fn data(&mut self, node: usize, unit: usize, number: usize) {
        match self.nodes[node].rules[unit].0 {
            Disposition::Own => self.serve(node, number),
            Disposition::Held => {
                let (delay, boot) = (self.random.range(PUNTED.0, PUNTED.1), self.nodes[node].boot);
                self.after(delay, Happening::Held { node, boot, unit, number });
            }
            Disposition::Foreign | Disposition::Forward => {}
        }
    }

    pub(super) fn data_held(&mut self, node: usize, unit: usize, number: usize) {
        let unit = Unit::new(unit as u16).expect("a unit");
        self.with(node, |cluster, now| cluster.handle_held(unit, frame(number), now));
    }

    pub(super) fn inject_data(&mut self, node: usize, unit: Unit, number: usize) {
        let delay = self.random.range(INJECTED.0, INJECTED.1);
        self.after(delay, Happening::Injected { node, unit: unit.index() as usize, number });
    }

    pub(super) fn injected(&mut self, node: usize, unit: usize, number: usize) {
        if self.nodes[node].rules[unit].0 == Disposition::Own {
            self.rescued += 1;
            self.serve(node, number);
        }
    }

    fn serve(&mut self, node: usize, number: usize) {
        self.served[number] += 1;
        if self.served[number] > 1 {
            self.say(|| format!("        frame {number} is served once more, by {}", id(node)));
        }
    }

    fn master(&self) -> Option<usize> {
        let rules = |node: &usize| self.nodes[*node].cluster.as_ref().is_some_and(|c| c.role() == Role::Master);
        (0..self.nodes.len()).find(rules)
    }

    /// A unit that is on its way, if one is.
    fn moving(&mut self) -> Option<usize> {
        let cluster = self.nodes[self.master()?].cluster.as_ref()?;
        let State::Master(ruling) = &cluster.state else { return None };
        let moving: Vec<_> = ruling.phases.keys().copied().collect();
        let place = self.random.range(0, moving.len().max(1) as u64) as usize;
        moving.get(place).map(|unit| unit.index() as usize)
    }

    /// Frames come, most of them of units that move. `chatty`: clients log in, renew and leave, too.
    fn traffic(&mut self, end: Micros, chatty: bool) {
        while self.now < end {
            if chatty && self.random.chance(100) {
                self.client();
            }
            let next = self.now + self.random.range(500, 1_500);
            self.run_until(next);
            let moving = self.moving();
            let any = self.random.range(0, 1024) as usize;
            [Some(any), moving].into_iter().flatten().for_each(|unit| self.send_data(unit));
        }
    }
}

/// Three to six members: some are drained, one after the other, and some leave and come back.
pub(super) fn changeover(seed: u64, talk: bool) {
    changeover_with(true, seed, talk);
}

/// With clients of DHCPv6, too, who talk meanwhile or are silent; or without.
pub(super) fn changeover_with(six: bool, seed: u64, talk: bool) {
    let mut random = Random::new(!seed);
    let members = random.range(3, 7) as usize;
    let constants = Constants {
        balance_every: Duration::from_millis(random.range(50, 200)),
        freeze: Duration::from_millis(200),
        ..Constants::production()
    };
    let mut config = config(members, Quorum::Majority, constants);
    config.delivery = if random.chance(500) { Delivery::UnicastMac } else { Delivery::MulticastMac };
    let mut world = World::new(config, Sharing { six, ..sharing() }, seed, talk);
    (0..members).for_each(|node| world.start(node));
    settle(&mut world);
    // Whoever takes over from one that has said nothing for long has to know so, too.
    let chatty = six && seed.is_multiple_of(2);
    world.network.delay = (30, [300, 2_000, 8_000][random.range(0, 3) as usize]);
    for _ in 0..3 {
        let node = random.range(0, members as u64) as usize;
        if random.chance(700) {
            world.say(|| format!("member {} is drained", id(node)));
            let master = world.master().expect("settled");
            world.with(master, |cluster, now| cluster.handle_operator(Request::Drain(id(node)), now).is_ok());
            let end = world.now + random.range(50_000, 1_500_000);
            world.traffic(end, chatty);
            world.undrain();
        } else {
            world.say(|| format!("member {} leaves", id(node)));
            world.with(node, |cluster, now| cluster.handle_operator(Request::Exit, now).is_ok());
            let end = world.now + 2_000_000;
            world.traffic(end, chatty);
            assert!(world.nodes[node].cluster.is_none(), "member {} has not left", id(node));
            world.start(node);
        }
        let end = world.now + 1_500_000;
        world.traffic(end, chatty);
    }
    let end = world.now + 100_000;
    world.run_until(end);
    let wrong: Vec<_> = (0..world.served.len()).filter(|number| world.served[*number] != 1).collect();
    let twice = wrong.iter().filter(|number| world.served[**number] > 1).count();
    assert!(
        wrong.is_empty(),
        "of {} frames {} were lost, {twice} served twice: {:?}",
        world.served.len(),
        wrong.len() - twice,
        &wrong[..wrong.len().min(9)]
    );
    world.say(|| format!("{} frames, {} of them were held", world.served.len(), world.rescued));
    // Three times 1.55 seconds at least, with a frame every 1.5 ms at least.
    assert!(world.served.len() > 3_000 && world.rescued > 0, "too little happened to prove anything");
    assert_eq!(
        world.incomplete, 0,
        "units began without all changes of their former owners, who all live or said everything"
    );
    settle(&mut world);
}
