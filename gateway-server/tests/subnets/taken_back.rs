//! Clients of a delegated subnet whose leases end in other ways than by themselves.

use common::{Logout, device, key, logout, scope};
use gateway_core::wire::bulk_release::BulkRelease;
use gateway_core::wire::forcerenew::{HMAC_MD5, Nonce};
use gateway_server::Permitted;

use super::*;

const KEY: &[u8] = b"0123456789abcdef";
const DAY: Duration = Duration::from_secs(86_400);

/// A top whose child may be told of logouts, and whose clients have leases of five days.
fn world(adapt: impl Fn(&mut Policy)) -> World {
    let mut world = World::new(&["10.16.0.0/20"], &["west"], [Some(KEY), Some(KEY)]);
    let mut start = |mut config: Config| {
        adapt(&mut config.delegation.as_mut().unwrap().delegation.policy);
        config.delegated.as_mut().unwrap().terms.lease = DAY * 5;
        config.bulk_release.keys = vec![Permitted { key: key(), devices: vec![device()] }];
        let mut node = Node::start(config, BTreeMap::new(), world.now, world.unix);
        node.server.seed([7; 32]);
        world.nodes.insert(node.config.listen, node);
    };
    start(config(PARENT, &["10.16.0.0/20"], &["west"], Some(KEY)));
    start(config(CHILD, &[], &[], Some(KEY)));
    world
}

impl World {
    /// Addresses of clients 1 to `count`, all in one subnet.
    fn clients(&mut self, count: u32) -> Vec<Ipv4Addr> {
        self.login(CHILD, &cpe(1));
        self.run(90); // nothing goes back while providers are asked what is the child's
        let addresses = (1..=count).map(|number| self.login(CHILD, &cpe(number)).unwrap()).collect();
        self.run(2);
        assert_eq!(self.blocks(CHILD).len(), 1);
        addresses
    }

    fn log_out(&mut self, logout: &Logout, replay: u64) -> BulkRelease {
        let node = self.nodes.get_mut(&CHILD).unwrap();
        let from = SocketAddrV4::new(logout.relay, 67);
        node.server.handle_message(from, &logout.signed(&key(), replay), self.now, self.unix);
        node.turn(self.now, self.unix);
        common::Reply { to: from, octets: node.replies.pop().unwrap() }.release()
    }

    /// Kind and lease time of the answer to a renewal.
    fn renewal(&mut self, number: u32, address: Ipv4Addr) -> Option<(u8, Option<u32>)> {
        let reply = self.send(CHILD, &cpe(number), &cpe(number).renew(address))?;
        let message = Message::parse(&reply).unwrap();
        Some((message.kind()?, message.u32_option(code::LEASE_TIME)))
    }

    /// In use now and at most, as a server counts it for its first root.
    fn usage(&self, address: Ipv4Addr) -> (u64, u64) {
        let usage = self.nodes[&address].subnets.view(self.now).roots[0].usage;
        (usage.in_use, usage.high_water)
    }
}

/// a single logout frees what its clients have in a delegated subnet. The subnet's own lease goes on, of its use the current
/// count falls and the high water stays, here and at the provider; and clients of before and after are served.
#[test]
fn a_single_logout_in_a_delegated_subnet() {
    let mut world = world(|policy| (policy.lease, policy.idle_for) = (DAY, DAY * 9));
    world.clients(10);
    let untagged: Vec<Cpe> = (11..=13).map(|number| cpe(number).tagged(None)).collect();
    let kept: Vec<Ipv4Addr> = untagged.iter().map(|client| world.login(CHILD, client).unwrap()).collect();
    world.run(2);
    assert_eq!(world.usage(CHILD), (13, 13));
    let before = world.blocks(CHILD);

    let result = world.log_out(&logout(scope(RELAY, 7), 1), 1).results[0];
    assert_eq!((result.released, result.skipped), (10, 0));
    world.run(2);
    assert_eq!(world.usage(CHILD), (3, 13));
    let named = |blocks: &[(String, String, Option<u64>)]| -> Vec<_> {
        blocks.iter().map(|(subnet, state, _)| (subnet.clone(), state.clone())).collect()
    };
    assert_eq!(named(&world.blocks(CHILD)), named(&before));
    let renewed = world.send(CHILD, &untagged[0], &untagged[0].renew(kept[0])).unwrap();
    assert_eq!(Message::parse(&renewed).unwrap().kind(), Some(kind::ACK));
    let again = cpe(1).tagged(Some(scope(RELAY, 8)));
    assert!(world.login(CHILD, &again).is_some());

    // The next renewal of the subnet tells the provider.
    world.run_fast(HOUR * 13);
    let told = world.nodes[&PARENT].subnets.view(world.now);
    let told = told.roots[0].blocks.iter().find(|block| block.state == "leased").unwrap().clone();
    assert_eq!((told.subnet.clone(), told.usage.unwrap().in_use), (before[0].0.clone(), 4));
    assert_eq!(told.usage.unwrap().high_water, 13);
}

/// the provider wants a subnet back whose clients have leases of days. They keep them, get no longer ones, and nobody gets a
/// new one. As soon as the relay has released each, one by one, the subnet goes back: not when the leases would have ended.
#[test]
fn wanted_back_under_long_leases() {
    let mut world = world(|_| {});
    let addresses = world.clients(3);
    let now = world.now;
    assert!(world.nodes.get_mut(&PARENT).unwrap().subnets.remove(&"10.16.0.0/20".parse().unwrap(), now));
    world.run(3);
    assert_eq!(world.nodes[&CHILD].subnets.view(world.now).roots[0].standing, "deprecated");
    world.run_fast(HOUR);
    for (number, address) in (1..).zip(&addresses) {
        let (answer, lease) = world.renewal(number, *address).unwrap();
        let lease = Duration::from_secs(lease.unwrap().into());
        assert!(answer == kind::ACK && lease < DAY * 5 - Duration::from_secs(HOUR - 60) && lease > DAY * 4);
    }
    assert_eq!(world.login(CHILD, &cpe(4)), None);

    for (number, address) in (1..).zip(&addresses) {
        assert_eq!(world.blocks(CHILD).len(), 1, "client {number} has an address of it");
        assert!(world.send(CHILD, &cpe(number), &cpe(number).release(*address)).is_none());
        world.run(2);
    }
    assert!(world.blocks(CHILD).is_empty());
    assert_eq!(world.blocks(PARENT)[0].1, "resting");
    world.run_fast(600);
    assert!(world.blocks(PARENT).is_empty(), "and is gone from the provider");
}

/// X-4, SN-45, H-SN-11: the provider refuses it. A client that has a nonce is told at once to renew, and hears that its address is not its
/// own any more; the others hear it when they renew. When the last one has, the subnet goes back.
#[test]
fn refused_under_long_leases() {
    let mut world = world(|policy| policy.patience = 0);
    let welcome = |builder: gateway_core::wire::dhcp4::Builder| builder.option(code::FORCERENEW_NONCE, &[HMAC_MD5]);
    let addresses = world.clients(2);
    let first = cpe(1);
    let select = first.message(kind::REQUEST, |builder| {
        welcome(builder).address(code::SERVER_ID, CHILD).address(code::REQUESTED_IP, addresses[0])
    });
    let ack = world.send(CHILD, &first, &select).unwrap();
    let (nonce, _) = Nonce::read(&Message::parse(&ack).unwrap()).expect("a nonce");

    let now = world.now;
    world.nodes.get_mut(&CHILD).unwrap().replies.clear();
    assert!(world.nodes.get_mut(&PARENT).unwrap().subnets.remove(&"10.16.0.0/20".parse().unwrap(), now));
    world.run(3);
    assert_eq!(world.nodes[&CHILD].subnets.view(world.now).roots[0].standing, "refused");
    let told = world.nodes[&CHILD].replies.clone();
    assert_eq!(told.len(), 1, "one client has a nonce");
    assert_eq!(Message::parse(&told[0]).unwrap().kind(), Some(kind::FORCERENEW));
    assert!(nonce.verify(&told[0]).is_some());

    for (number, address) in (1..).zip(&addresses) {
        assert_eq!(world.blocks(CHILD).len(), 1);
        assert_eq!(world.blocks(PARENT)[0].1, "resting");
        assert_eq!(world.renewal(number, *address).map(|(kind, _)| kind), Some(kind::NAK));
        world.run(2);
    }
    assert!(world.blocks(CHILD).is_empty());
    world.run_fast(600);
    assert!(world.blocks(PARENT).is_empty());
}
