//! What an operator enters and takes away.

use super::*;

/// SN-6, SN-53: an operator enters and takes away while the server runs; what overlaps is refused in words.
#[test]
fn an_operator_enters_subnets() {
    let mut world = World::new(&[], &["west"], [None, None]);
    let node = world.nodes.get_mut(&PARENT).unwrap();
    let now = world.now;
    let root = |subnet: &str| Root { subnet: subnet.parse().unwrap(), maximum: None, fresh: true };
    let mut add = |subnet: &str| node.subnets.add(&root(subnet), &node.server, now);
    assert_eq!(add("10.16.0.0/20"), Ok(()));
    assert_eq!(add("10.16.0.0/20").unwrap_err(), "10.16.0.0/20 has been entered already");
    assert!(add("10.16.4.0/24").unwrap_err().contains("10.16.0.0/20"));
    world.login(CHILD, &cpe(1));
    world.run(20);
    assert!(world.login(CHILD, &cpe(1)).is_some());
    world.crash(PARENT);
    assert!(!world.blocks(PARENT).is_empty(), "it outlives the process");
    let node = world.nodes.get_mut(&PARENT).unwrap();
    assert!(!node.subnets.remove(&"10.17.0.0/20".parse().unwrap(), now));
    assert!(node.subnets.remove(&"10.16.0.0/20".parse().unwrap(), now));
}

/// SN-53: what was taken away by command does not come back with the configuration that still has it, until it is entered by
/// command; and what has gone from the configuration meanwhile comes back with it.
#[test]
fn taken_away_for_good() {
    let mut world = World::new(&["10.16.0.0/20"], &["west"], [None, None]);
    let subnet = "10.16.0.0/20".parse().unwrap();
    let roots = |world: &World| world.nodes[&PARENT].subnets.view(world.now).roots.len();
    let now = world.now;
    let act = |world: &mut World, act: &dyn Fn(&mut Node)| {
        act(world.nodes.get_mut(&PARENT).unwrap());
        world.settle();
    };
    act(&mut world, &|node| assert!(node.subnets.remove(&subnet, now)));
    assert_eq!(roots(&world), 0);
    world.crash(PARENT);
    assert_eq!(roots(&world), 0, "the configuration alone does not bring it back");
    world.settle();
    let root = Root { subnet, maximum: None, fresh: true };
    act(&mut world, &|node| node.subnets.add(&root, &node.server, now).unwrap());
    world.crash(PARENT);
    assert_eq!(roots(&world), 1);

    act(&mut world, &|node| assert!(node.subnets.remove(&subnet, now)));
    let configured = |world: &mut World, roots: Vec<Root>| {
        world.nodes.get_mut(&PARENT).unwrap().config.delegation.as_mut().unwrap().roots = roots;
        world.crash(PARENT);
        world.settle();
    };
    configured(&mut world, Vec::new());
    configured(&mut world, vec![root]);
    assert_eq!(roots(&world), 1, "it was taken out and put in again");
}
