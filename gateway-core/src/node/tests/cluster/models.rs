//! Whatever happens in whatever order, all end with the same.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::world::{address, config, mac};
use super::*;
use crate::replication::WhenShort;
use crate::wire::dhcp4::kind;

const CLIENTS: u8 = 12;

#[derive(Clone, Debug)]
enum Step {
    Request(u8),
    Release(u8),
    /// A client asks for the address that another one has, or had.
    Borrow(u8, u8),
    /// A unit moves in good order: the new owner has heard all of the old one.
    Move(u8, u8),
    /// So many writes arrive on streams chosen by this.
    Deliver(usize, usize),
    Cut(u8, u8),
    Connect(u8, u8),
    /// A member dies, and another takes its units over.
    Kill(u8),
    /// It comes back, with or without its disk.
    Return(bool),
    RestartCard(u16),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..=CLIENTS).prop_map(Step::Request),
        3 => (1..=CLIENTS).prop_map(Step::Release),
        2 => (1..=CLIENTS, 1..=CLIENTS).prop_map(|(client, of)| Step::Borrow(client, of)),
        2 => (1..=CLIENTS, 1..=3u8).prop_map(|(client, to)| Step::Move(client, to)),
        8 => (1..20usize, any::<usize>()).prop_map(|(count, pick)| Step::Deliver(count, pick)),
        1 => (1..=3u8, 1..=3u8).prop_map(|(a, b)| Step::Cut(a, b)),
        2 => (1..=3u8, 1..=3u8).prop_map(|(a, b)| Step::Connect(a, b)),
        1 => (1..=3u8).prop_map(Step::Kill),
        2 => any::<bool>().prop_map(Step::Return),
        1 => (0..2u16).prop_map(Step::RestartCard),
        1 => (1..40u64).prop_map(Step::Wait),
    ]
}

fn port(client: u8) -> u16 {
    u16::from(client % 2) * 2
}

struct Model {
    mesh: Mesh,
    dead: BTreeMap<u8, BTreeMap<Vec<u8>, Vec<u8>>>,
    /// Clients that have ever given their address back, or changed it.
    gone: BTreeSet<u8>,
}

impl Model {
    fn heal(&mut self) {
        let alive: Vec<u8> = self.mesh.members.keys().copied().collect();
        for (place, a) in alive.iter().enumerate() {
            alive[place + 1..].iter().for_each(|b| self.mesh.connect(*a, *b));
        }
        self.mesh.run();
    }

    fn step(&mut self, step: Step) {
        let mesh = &mut self.mesh;
        let now = mesh.now;
        match step {
            Step::Request(client) => mesh.request(client, port(client)),
            // Whoever is given another address leaves the old one to its server.
            Step::Borrow(client, of) => {
                self.gone.extend([client, of]);
                mesh.request_address(client, port(client), of);
            }
            // Nothing tells the client whether its RELEASE has reached the server.
            Step::Release(client) => {
                self.gone.insert(client);
                mesh.release(client, port(client));
            }
            Step::Move(client, to) => {
                let (from, version) = mesh.owner(client);
                if from != to && mesh.members.get(&to).is_some_and(|this| this.replication.is_synced()) {
                    self.heal();
                    self.mesh.own(client, to, version + 1);
                }
            }
            Step::Deliver(count, pick) => {
                for turn in 0..count {
                    mesh.carry_out_all();
                    let ways = mesh.ways();
                    if !ways.is_empty() {
                        mesh.deliver(ways[pick.wrapping_add(turn * 7) % ways.len()]);
                    }
                }
            }
            Step::Cut(a, b) if a != b => mesh.cut(a, b),
            Step::Connect(a, b) if a != b && mesh.members.contains_key(&a) && mesh.members.contains_key(&b) => {
                mesh.connect(a, b);
            }
            Step::Kill(me) if mesh.members.len() == 3 => {
                let synced = |(other, this): (&u8, &super::mesh::Member)| {
                    (*other != me && this.replication.is_synced()).then_some(*other)
                };
                // Who owns no unit yet takes none over (H-CL-25).
                let Some(next) = mesh.members.iter().find_map(synced) else { return };
                let disk = mesh.kill(me).store;
                self.dead.insert(me, disk);
                self.heal();
                let mesh = &mut self.mesh;
                for (other, this) in &mut mesh.members {
                    if *other != next && !this.replication.is_synced() {
                        this.replication.handle_join(Some(member(next)), now);
                    }
                }
                mesh.run();
                mesh.take_over(me, next);
            }
            Step::Return(disk) => {
                if let Some((me, store)) = self.dead.pop_first() {
                    self.heal();
                    let from = self.mesh.keeper;
                    self.mesh.start(me, if disk { store } else { BTreeMap::new() });
                    self.mesh.member(me).replication.handle_join(Some(member(from)), now);
                }
            }
            // A member that can't be reached would go on with logins of the old epoch, and lose them (H-CL-6).
            Step::RestartCard(card) => {
                self.heal();
                let mesh = &mut self.mesh;
                let keeper = mesh.keeper;
                for event in [crate::fpc::LinkEvent::Removed, crate::fpc::LinkEvent::Up] {
                    for port in [2 * card, 2 * card + 1] {
                        mesh.member(keeper).node.handle_link(crate::line::PortId(port), event, now);
                    }
                }
                mesh.run();
            }
            Step::Wait(seconds) => mesh.wait(seconds),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// CL-67, CL-69, CL-70, H-CL-7, H-CL-23: whatever happens to clients, cards, streams and members, in whatever order it
    /// reaches them: when all streams stand again, all members have the same sessions, in the table, in the data plane and
    /// on disk; and everybody who was told that he is logged in, and whose lease the server still holds, is among them.
    #[test]
    fn all_members_end_with_the_same(steps in prop::collection::vec(step(), 1..60), kept in prop_oneof![Just(1 << 20), Just(1500)]) {
        let mesh = Mesh::with(config(), Server::new(SERVER, true), 3, WhenShort::Wait, kept);
        let mut model = Model { mesh, dead: BTreeMap::new(), gone: BTreeSet::new() };
        for client in 1..=CLIENTS {
            model.mesh.own(client, 1 + client % 3, 1);
        }
        for step in steps {
            model.step(step);
        }
        model.heal();
        model.mesh.wait(30);
        let mesh = &model.mesh;
        let first = *mesh.members.keys().next().expect("alive");
        for me in mesh.members.keys() {
            prop_assert!(mesh.members[me].replication.is_synced(), "member {}", me);
            prop_assert_eq!(mesh.sessions(*me), mesh.sessions(first), "member {} and {}", me, first);
        }
        let clients: BTreeSet<u8> = mesh.addresses(first).iter().map(|address| address.octets()[3]).collect();
        mesh.assert_logged_in(clients.clone());
        for client in (1..=CLIENTS).filter(|client| !model.gone.contains(client)) {
            let since = mesh.leased.get(&address(client)).copied().unwrap_or(0);
            let told = mesh.received[since..].contains(&(mac(client), kind::ACK, address(client)));
            if told && mesh.server.active().contains(&address(client)) {
                prop_assert!(clients.contains(&client), "client {} is lost", client);
            }
        }
    }
}
