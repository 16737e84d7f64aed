//! What holds whatever happens.

mod common;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use common::*;
use gateway_core::scope::ScopeKind;
use gateway_core::time::Duration;
use gateway_core::wire::dhcp4::kind;
use gateway_server::Config;
use proptest::prelude::*;

fn open() -> Config {
    let mut config = config();
    config.bulk_release.allow_unauthenticated = true;
    config.bulk_release.rate = 0;
    config
}

/// A valid message of each kind, to be damaged.
fn seeds() -> Vec<Vec<u8>> {
    let client = Cpe { client_id: Some(b"\x01id".to_vec()), ..cpe(1) };
    let at = Ipv4Addr::new(10, 0, 0, 2);
    let mut seeds = vec![client.discover(), client.select(at), client.reboot(at), client.renew(at)];
    seeds.extend([client.release(at), client.decline(at), client.message(kind::INFORM, |builder| builder.ciaddr(at))]);
    seeds.push(logout(scope(RELAY, 7), 1).signed(&key(), 1));
    seeds.push(logout(group("fpc3", 7), 2).unsigned());
    seeds.push(gateway_core::wire::leasequery::by_address(at, RELAY, 1));
    seeds
}

#[derive(Clone, Debug)]
enum Step {
    Login(u32, u32),
    RenewRelayed(u32, u32),
    RenewDirect(u32),
    Release(u32),
    Decline(u32),
    Logout { kind: u8, cutoff: u32, secs: u16, repeat: bool },
    Wait(u64),
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let (client, epoch) = (0u32..14, 1u32..5);
    prop_oneof![
        6 => (client.clone(), epoch.clone()).prop_map(|(client, epoch)| Step::Login(client, epoch)),
        2 => (client.clone(), epoch.clone()).prop_map(|(client, epoch)| Step::RenewRelayed(client, epoch)),
        3 => client.clone().prop_map(Step::RenewDirect),
        1 => client.clone().prop_map(Step::Release),
        1 => client.prop_map(Step::Decline),
        3 => (0u8..3, epoch, 0u16..20, any::<bool>())
            .prop_map(|(kind, cutoff, secs, repeat)| Step::Logout { kind, cutoff, secs, repeat }),
        3 => prop_oneof![0u64..8, Just(1900), Just(3700)].prop_map(Step::Wait),
        1 => Just(Step::Crash),
    ]
}

/// What a client believes, and what the server must believe.
#[derive(Clone, Copy, Debug)]
struct Held {
    address: Ipv4Addr,
    group: bool,
    epoch: u32,
    last: u64,
    until: u64,
}

/// Every third client sits on a line card with a group scope.
fn tagged(client: u32, epoch: u32) -> Cpe {
    let scope = if client.is_multiple_of(3) { group("fpc3", epoch) } else { scope(RELAY, epoch) };
    cpe(client).tagged(Some(scope))
}

proptest! {
    /// No octet string makes the server panic, whether it is noise or a message with a few octets changed or cut.
    #[test]
    fn no_octets_panic(
        noise in prop::collection::vec(any::<u8>(), 0..700),
        seed in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        cut_it in any::<bool>(),
    ) {
        let mut lab = Lab::new(open());
        lab.login(&cpe(1)).unwrap();
        let mut damaged = seed.get(&seeds()).clone();
        for (at, octet) in changes {
            let at = at.index(damaged.len());
            damaged[at] = octet;
        }
        if cut_it {
            damaged.truncate(cut.index(damaged.len()));
        }
        lab.send("10.0.0.1:67".parse().unwrap(), &noise);
        lab.send("10.0.0.1:67".parse().unwrap(), &damaged);
        lab.crash();
    }

    /// A model of who holds what, beside the server, over any interleaving of logins, renewals, releases, single
    /// logouts, time and crashes: no address has two clients, a login of a later epoch than the cut-off or renewed after
    /// the decision survives, everything else of the scope is ended, a repetition changes nothing, and a crash neither.
    ///
    /// BR-25 BR-26 BR-27 H-BR-6 H-BR-7
    #[test]
    fn any_interleaving(steps in prop::collection::vec(step(), 1..60)) {
        let mut lab = Lab::new(open());
        let mut model: BTreeMap<u32, Held> = BTreeMap::new();
        let (mut clock, mut txid) = (1000u64, 0u64);
        for step in steps {
            match step {
                Step::Login(client, epoch) => {
                    if let Some(address) = lab.login(&tagged(client, epoch)) {
                        model.insert(client, Held { address, group: client.is_multiple_of(3), epoch, last: clock, until: clock + 3600 });
                    }
                }
                Step::RenewRelayed(client, epoch) => {
                    let Some(held) = model.get_mut(&client) else { continue };
                    let cpe = tagged(client, epoch);
                    prop_assert_eq!(lab.relayed(&cpe, &cpe.renew(held.address)).unwrap().kind(), kind::ACK);
                    *held = Held { epoch, last: clock, until: clock + 3600, ..*held };
                }
                Step::RenewDirect(client) => {
                    let Some(held) = model.get_mut(&client) else { continue };
                    let cpe = Cpe { direct: true, ..cpe(client) };
                    prop_assert_eq!(lab.relayed(&cpe, &cpe.renew(held.address)).unwrap().kind(), kind::ACK);
                    *held = Held { last: clock, until: clock + 3600, ..*held };
                }
                Step::Release(client) => {
                    let Some(held) = model.remove(&client) else { continue };
                    let cpe = tagged(client, held.epoch);
                    lab.relayed(&cpe, &cpe.release(held.address));
                }
                Step::Decline(client) => {
                    let Some(held) = model.remove(&client) else { continue };
                    let cpe = tagged(client, held.epoch);
                    lab.relayed(&cpe, &cpe.decline(held.address));
                }
                Step::Logout { kind, cutoff, secs, repeat } => {
                    txid += 1;
                    let covered = match kind {
                        0 => scope(RELAY, cutoff),
                        1 => group("fpc3", cutoff),
                        _ => gateway_core::scope::Scope { kind: ScopeKind::Device, ..scope(RELAY, cutoff) },
                    };
                    let release = Logout { secs, ..logout(covered, txid) };
                    let first = lab.logout(&release).unwrap();
                    let decided = clock - u64::from(secs).saturating_sub(1);
                    let in_scope = |held: &Held| kind == 2 || held.group == (kind == 1);
                    let ends = |held: &Held| in_scope(held) && held.epoch <= cutoff && held.last <= decided;
                    let expected = model.values().filter(|held| ends(held)).count();
                    let newer = model.values().filter(|held| in_scope(held) && !ends(held)).count();
                    let (released, skipped, _) = first.counts();
                    prop_assert_eq!((released as usize, skipped as usize), (expected, newer));
                    model.retain(|_, held| !ends(held));
                    if repeat {
                        let again = lab.logout(&release).unwrap();
                        prop_assert_eq!(again.release().results, first.release().results);
                        let other = Logout { txid: txid + 1_000_000, ..release };
                        prop_assert_eq!(lab.logout(&other).unwrap().counts().0, 0);
                    }
                }
                Step::Wait(seconds) => {
                    clock += seconds;
                    lab.rest(Duration::from_secs(seconds));
                    model.retain(|_, held| held.until > clock);
                }
                Step::Crash => lab.crash(),
            }
            let mut addresses: Vec<Ipv4Addr> = model.values().map(|held| held.address).collect();
            addresses.sort_unstable();
            prop_assert!(addresses.windows(2).all(|pair| pair[0] != pair[1]), "one address, two clients");
            prop_assert_eq!(lab.active(), model.len() as u64);
        }
        for held in model.values() {
            prop_assert!(lab.is_leased(held.address));
        }
        for last in 2..12 {
            let address = Ipv4Addr::new(10, 0, 0, last);
            prop_assert_eq!(lab.is_leased(address), model.values().any(|held| held.address == address));
        }
    }
}
