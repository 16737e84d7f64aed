//! A child that starts while its provider does not know everything.

use super::*;

impl World {
    /// A client of the child's that has an address.
    fn served(&mut self, number: u32) -> Ipv4Addr {
        self.login(CHILD, &cpe(number));
        self.run(20);
        self.login(CHILD, &cpe(number)).unwrap()
    }

    fn renew(&mut self, number: u32, address: Ipv4Addr) -> Option<u8> {
        let reply = self.send(CHILD, &cpe(number), &cpe(number).renew(address))?;
        Message::parse(&reply).unwrap().kind()
    }
}

/// H-SN-3: somebody enters a second subnet at a new server at the top, which rests. A child that starts meanwhile is told all the same
/// what is its own of the first, so its clients are answered within a minute, and it is given more when it needs more.
#[test]
fn a_second_subnet_rests() {
    let mut world = World::new(&["10.16.0.0/20"], &["west"], [None, None]);
    let address = world.served(1);
    let now = world.now;
    let node = world.nodes.get_mut(&PARENT).unwrap();
    let second = Root { subnet: "10.32.0.0/20".parse().unwrap(), maximum: None, fresh: false };
    node.subnets.add(&second, &node.server, now).unwrap();
    assert_eq!(node.subnets.view(now).roots[1].standing, "uncertain");
    world.crash(CHILD);
    assert_eq!(world.renew(1, address), None);
    world.run(60);
    assert_eq!(world.renew(1, address), Some(kind::ACK));
    for _ in 0..3 {
        for number in 2..=30 {
            world.login(CHILD, &cpe(number));
        }
        world.run(20);
    }
    assert!((2..=30).all(|number| world.login(CHILD, &cpe(number)).is_some()));
}

/// H-SN-3: the server at the top loses its disk, and the child its power, at once. The child's clients have leases in force, so it goes
/// on with what it had; a child without such clients waits.
#[test]
fn a_disk_and_a_process() {
    for is_served in [true, false] {
        let mut world = World::new(&["10.16.0.0/20"], &["west"], [None, None]);
        let address = world.served(1);
        if !is_served {
            world.send(CHILD, &cpe(1), &cpe(1).release(address));
            world.run(1);
        }
        let mut top = world.nodes.remove(&PARENT).unwrap();
        top.config.delegation.as_mut().unwrap().roots[0].fresh = false;
        world.nodes.insert(PARENT, Node::start(top.config, BTreeMap::new(), world.now, world.unix));
        world.crash(CHILD);
        world.run(120);
        let standing = &world.nodes[&CHILD].subnets.view(world.now).roots[0].standing;
        assert_eq!(standing, if is_served { "active" } else { "unconfirmed" });
        assert_eq!(world.renew(1, address), is_served.then_some(kind::ACK));
        let leased = world.blocks(PARENT).iter().any(|(_, state, _)| state == "leased");
        assert_eq!(leased, is_served, "{:?}", world.blocks(PARENT));
    }
}
