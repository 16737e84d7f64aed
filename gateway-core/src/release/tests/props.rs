//! Any interleaving: messages lost, repeated and reordered in both directions, logins, kills and flaps in between.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    /// Some message that left, however old, reaches the server; its reply is on the way then.
    ToServer(prop::sample::Index),
    /// Some reply, however old, reaches the gateway.
    ToGateway(prop::sample::Index),
    /// A subscriber logs in, or again, in the card's epoch of now.
    LogIn(u8),
    Pass(u16),
    /// The card restarts (again).
    Restart,
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<prop::sample::Index>().prop_map(Step::ToServer),
        6 => any::<prop::sample::Index>().prop_map(Step::ToGateway),
        3 => (0..40u8).prop_map(Step::LogIn),
        4 => (1..8000u16).prop_map(Step::Pass),
        1 => Just(Step::Restart),
        1 => Just(Step::Kill),
    ]
}

/// What cannot be verified is orphaned and retried: silence alone ends nothing.
fn insisting() -> ReleaseConfig {
    let mut config = config();
    config.servers.insert(SERVER, ServerConfig { verify: Verify::Leasequery, ..ServerConfig::default() });
    config
}

/// Gateway and server with what is between them.
struct Network {
    world: World,
    server: BulkServer,
    replies: Vec<Vec<u8>>,
    epoch: u32,
}

impl Network {
    fn new(capable: bool) -> Self {
        let world = if capable { World::capable(insisting()) } else { World::new(insisting()) };
        let mut network = Self { world, server: BulkServer::default(), replies: Vec::new(), epoch: 7 };
        (0..20).for_each(|n| network.log_in(n));
        network
    }

    fn log_in(&mut self, n: u8) {
        let now = self.world.now;
        let world = &mut self.world;
        world.table.log_in(n, 1, self.epoch, address_scope(), now);
        let address = Ipv4Addr::new(100, 64 + n, 0, 0);
        let hardware = world.table.logins[&address].0.hardware;
        self.server.bind(address, hardware, address_scope(), Epoch(self.epoch), now);
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::ToServer(which) if !self.world.sent.is_empty() => {
                let sent = which.get(&self.world.sent).payload.clone();
                self.replies.extend(self.server.handle(&sent, self.world.now));
            }
            Step::ToGateway(which) if !self.replies.is_empty() => {
                let reply = which.get(&self.replies).clone();
                self.world.deliver(SERVER, &reply);
            }
            Step::LogIn(n) => self.log_in(*n),
            Step::Pass(millis) => self.world.pass(f64::from(*millis) / 1000.0),
            Step::Restart => {
                // Durable first, then frozen, then released: new logins are of the next epoch.
                let cutoff = self.epoch;
                self.epoch += 1;
                self.world.restart(cutoff);
                self.world.now = self.world.now + Duration::from_secs(2);
            }
            Step::Kill => self.world.crash(insisting(), 3, false),
            _ => {}
        }
    }
}

proptest! {
    /// A login of the epoch after the last cut-off survives everything, at the gateway, and at the server as far as the
    /// single logout goes. BR-27, H-BR-6, H-BR-9, H-BR-16
    #[test]
    fn no_login_over_the_cut_off_ever_ends(
        capable: bool,
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let mut network = Network::new(capable);
        network.world.now = network.world.now + Duration::from_secs(10);
        network.take(&Step::Restart);
        for step in &steps {
            let current = |network: &Network| -> Vec<Ipv4Addr> {
                let table = &network.world.table.logins;
                table.iter().filter(|(_, (l, _))| l.epoch.0 == network.epoch).map(|(address, _)| *address).collect()
            };
            let (before, epoch) = (current(&network), network.epoch);
            network.take(step);
            if network.epoch == epoch {
                let after = current(&network);
                prop_assert!(before.iter().all(|address| after.contains(address)), "{step:?} ended a login");
            }
            if capable {
                let kept = |a: &Ipv4Addr| network.server.leases[a].active || !network.world.releases_sent().is_empty();
                prop_assert!(current(&network).iter().all(kept), "{step:?} ended a lease");
            }
        }
    }

    /// Once messages get through again, everything up to the cut-off ends, on both sides, and the journal is empty.
    /// BR-24, BR-31, H-BR-20, H-BR-23
    #[test]
    fn it_always_comes_to_an_end(capable: bool, steps in proptest::collection::vec(step(), 0..60)) {
        let mut network = Network::new(capable);
        network.world.now = network.world.now + Duration::from_secs(10);
        network.take(&Step::Restart);
        for step in steps.iter().filter(|step| !matches!(step, Step::LogIn(_))) {
            network.take(step);
        }
        let Network { mut world, mut server, .. } = network;
        world.pass_with(4.0 * 3600.0, |sent| server.handle(&sent.payload, sent.at));
        prop_assert!(world.table.logins.is_empty());
        prop_assert_eq!((server.active(), world.store.len(), world.releases.poll_timeout()), (0, 0, None));
    }

    /// The same release once more, at once or after logins of the new epoch: nothing changes the second time. H-BR-6
    #[test]
    fn applied_twice_changes_nothing_more(again in proptest::collection::vec(0..40u8, 0..20)) {
        let mut network = Network::new(true);
        network.world.now = network.world.now + Duration::from_secs(10);
        network.take(&Step::Restart);
        let message = network.world.sent[0].payload.clone();
        let reply = network.server.handle(&message, network.world.now).unwrap();
        network.world.deliver(SERVER, &reply);
        again.iter().for_each(|n| network.log_in(*n));
        let (table, server) = (network.world.table.logins.clone(), network.server.leases.clone());
        let second = network.server.handle(&message, network.world.now).unwrap();
        network.world.deliver(SERVER, &second);
        network.world.deliver(SERVER, &reply);
        prop_assert_eq!(&network.world.table.logins, &table);
        prop_assert_eq!(&network.server.leases, &server);
        prop_assert_eq!(network.world.releases.counters().duplicate + network.world.releases.counters().replayed
            + network.world.releases.counters().unmatched, 2);
    }
}
