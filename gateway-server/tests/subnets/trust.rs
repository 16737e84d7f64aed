//! Nonces between servers without a shared key, and who else says something of them.

use gateway_core::wire::dhcp4::{Builder, REPLY};
use gateway_core::wire::forcerenew::{HMAC_MD5, Nonce, placeholder};
use gateway_core::wire::subnet_allocation::{AllocationBuilder, Block, InformationFlags};

use super::*;

/// Two servers that tell each other nonces.
fn keyless() -> World {
    let mut world = World::new(&["10.16.0.0/20"], &["west"], [None, None]);
    world.nodes.values_mut().for_each(|node| node.subnets.seed([7; 32]));
    world
}

impl World {
    /// The child gets a subnet for its client.
    fn delegate(&mut self) {
        self.login(CHILD, &cpe(1));
        self.run(20);
        self.login(CHILD, &cpe(1)).unwrap();
    }

    /// Whether the child does at once what the top tells it to.
    fn is_heeded(&mut self) -> bool {
        let now = self.now;
        assert!(self.nodes.get_mut(&PARENT).unwrap().subnets.remove(&"10.16.0.0/20".parse().unwrap(), now));
        self.run(3);
        self.nodes[&CHILD].subnets.view(self.now).roots[0].standing == "deprecated"
    }
}

/// SN-50, H-SN-20: thousands of ordinary clients to which nonces are welcome, whatever they call themselves, are no reason not to
/// tell a child one.
#[test]
fn clients_to_which_nonces_are_welcome() {
    let mut world = keyless();
    for number in 0..2000 {
        let discover = cpe(number).message(kind::DISCOVER, |builder| {
            let builder = builder.option(code::CLIENT_ID, &number.to_be_bytes()).option(code::HOST_NAME, &[220]);
            builder.option(code::FORCERENEW_NONCE, &[HMAC_MD5])
        });
        let node = world.nodes.get_mut(&PARENT).unwrap();
        assert!(!node.subnets.handle_message(SocketAddrV4::new(RELAY, 67), &discover, world.now));
    }
    world.delegate();
    assert!(world.is_heeded());
}

/// H-SN-20: a nonce is the provider's only in its answer to what the child asked, from its own address; and what does not fit one
/// takes none away.
#[test]
fn a_nonce_of_somebody_elses() {
    let mut world = keyless();
    let stranger = Ipv4Addr::new(203, 0, 113, 9);
    let nonce = Nonce::derive(&[9; 32], CHILD, 1);
    let named = |subnet: &str| {
        let block = Block::plain(subnet.parse().unwrap());
        AllocationBuilder::new().information(InformationFlags::default(), &[block]).finish().unwrap()
    };
    let from_top = |kind: u8, subnet: &str| {
        let builder = Builder::new(REPLY).xid(77).kind(kind).address(code::SERVER_ID, PARENT);
        builder.option(code::SUBNET_ALLOCATION, &named(subnet))
    };
    let hear = |world: &mut World, from: Ipv4Addr, payload: &[u8]| {
        let (now, unix) = (world.now, world.unix);
        let node = world.nodes.get_mut(&CHILD).unwrap();
        assert!(node.subnets.handle_message(SocketAddrV4::new(from, 67), payload, now));
        let before = node.out.len();
        node.turn(now, unix);
        node.out.len() - before
    };
    // The child has said that a nonce is welcome, and was not told one yet.
    world.login(CHILD, &cpe(1));
    let (now, unix) = (world.now, world.unix);
    world.nodes.get_mut(&CHILD).unwrap().turn(now, unix);
    let ack = |subnet: &str| {
        let told = from_top(kind::ACK, subnet).number(code::LEASE_TIME, 600);
        told.option(code::AUTHENTICATION, &nonce.told(1)).finish()
    };
    for from in [stranger, PARENT] {
        hear(&mut world, from, &ack("10.16.0.0/28"));
    }
    world.delegate();
    let held = world.blocks(CHILD)[0].0.clone();
    for from in [stranger, PARENT] {
        hear(&mut world, from, &ack(&held));
        let mut force = from_top(kind::FORCERENEW, &held).option(code::AUTHENTICATION, &placeholder(2)).finish();
        nonce.sign(&mut force);
        assert_eq!(hear(&mut world, from, &force), 0, "it renews nothing");
    }
    assert!(world.is_heeded());
}
