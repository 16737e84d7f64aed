//! How long leases are: what requesters want, what providers suggest, and what is left of them after starts.

use super::lab::{DAY, Lab, at, config, id, subnet};
use crate::delegation::{AddError, CLASS, DelegationConfig, Policy, Proven};
use crate::time::Duration;
use crate::wire::dhcp4::{Builder, REQUEST, code, kind};
use crate::wire::subnet_allocation::{AllocationBuilder, Request};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// 1 has a /24, and 2, which asks it, a /26 of that.
fn leased(provider: Policy, requester: Policy) -> Lab {
    let quiet = |policy: Policy| Policy { push_above_percent: 101, ..policy };
    let mut lab = Lab::new();
    lab.start(1, DelegationConfig { policy: quiet(provider), ..config(1, &[]) });
    lab.start(2, DelegationConfig { policy: quiet(requester), ..config(2, &[1]) });
    lab.act(1, |core, now| core.handle_add(subnet("10.0.0.0/24"), None, now)).unwrap();
    lab.pass(MINUTE);
    lab.act(2, |core, now| core.handle_need(62, now));
    lab.deliver();
    assert_eq!(lab.holders(2), ["10.0.0.0/26 own"]);
    lab
}

/// SN-20, SN-25: a requester that wants a shorter lease has it, in each renewal, too; it can't have a longer one than the provider
/// chooses, nor one that is of no use.
#[test]
fn a_wanted_lease() {
    let wanting = |wanted| Policy { wanted_lease: Some(wanted), ..Policy::default() };
    let mut lab = leased(Policy::default(), wanting(DAY));
    assert!(lab.transcript.contains(&"1 > 2 ACK lease 86400 10.0.0.0/26".into()), "{:?}", lab.transcript);
    lab.transcript.clear();
    lab.pass(DAY);
    assert!(lab.transcript.contains(&"1 > 2 ACK lease 86400 10.0.0.0/26".into()), "{:?}", lab.transcript);
    let lab = leased(Policy::default(), wanting(DAY * 30));
    assert!(lab.transcript.contains(&"1 > 2 ACK lease 604800 10.0.0.0/26".into()), "{:?}", lab.transcript);

    let mut lab = leased(Policy::default(), Policy::default());
    let asked =
        AllocationBuilder::new().request(Request { delegate: true, earlier: false, prefix: 26 }).finish().unwrap();
    let discover = Builder::new(REQUEST).kind(kind::DISCOVER).giaddr(at(3)).option(code::CLIENT_ID, id(3).octets());
    let discover = discover.option(code::CLASS_ID, CLASS).option(code::SUBNET_ALLOCATION, &asked);
    lab.hand(1, &discover.number(code::LEASE_TIME, 1).finish(), at(3), Proven::No);
    assert_eq!(lab.step(), "1 > 3 OFFER lease 180 10.0.0.64/26");
}

/// SN-25, SN-58: what a provider suggests for hosts reaches the requester's address server, also after a start; one that suggests
/// nothing says nothing.
#[test]
fn a_suggested_lease() {
    let longest = |lab: &Lab| lab.servers[&2].told[&subnet("10.0.0.0/26")].longest;
    assert_eq!(longest(&leased(Policy::default(), Policy::default())), None);
    let mut lab = leased(Policy { suggested_lease: Some(HOUR), ..Policy::default() }, Policy::default());
    assert_eq!(longest(&lab), Some(HOUR));
    lab.server(2).told.clear();
    lab.restart(2, true);
    lab.pass(MINUTE);
    assert_eq!(longest(&lab), Some(HOUR));
}

/// SN-53: what could never be given is not entered.
#[test]
fn of_no_use() {
    let mut lab = Lab::new();
    lab.start(1, config(1, &[]));
    let mut add = |text: &str, maximum: Option<u64>| {
        let maximum = maximum.map(Duration::from_secs);
        lab.act(1, |core, now| core.handle_add(subnet(text), maximum, now))
    };
    assert_eq!(add("10.0.0.0/31", None), Err(AddError::Small(subnet("10.0.0.0/31"))));
    let short = AddError::Short(Duration::from_secs(179), Duration::from_secs(180));
    assert_eq!(add("10.0.0.0/30", Some(179)), Err(short));
    assert_eq!((add("10.0.0.0/30", Some(180)), lab.holders(1)), (Ok(()), vec!["10.0.0.0/30 pool".into()]));
}

/// H-SN-4, H-SN-26: a lessee is gone for good, and its provider starts anew each night. All the same the subnet comes back when the lease
/// is over, or some hours later, and never before.
#[test]
fn a_provider_that_starts_every_night() {
    let mut lab = leased(Policy::default(), Policy::default());
    lab.servers.remove(&2);
    for night in 0..7 {
        assert_eq!(lab.holders(1)[0], "10.0.0.0/26 leased to server-2", "night {night}");
        lab.pass(DAY);
        lab.restart(1, true);
    }
    lab.pass(HOUR * 7 + MINUTE * 6);
    assert_eq!(lab.holders(1), ["10.0.0.0/24 pool"]);
}

/// H-SN-3: records of before, without what is left of a lease and without the relay.
#[test]
fn an_older_record() {
    let mut lab = leased(Policy::default(), Policy::default());
    lab.pass(HOUR * 5);
    let (_, value) = lab.server(1).disk.iter_mut().find(|(key, _)| key[1] == b'b').unwrap();
    value.truncate(value.len() - 12);
    value[2] &= !4;
    lab.restart(1, true);
    let block = lab.servers[&1].core.view(lab.now).roots[0].blocks[0].clone();
    assert_eq!(block.until.map(|until| until.since(lab.now)), Some(DAY * 7), "all of it again");
    assert_eq!(lab.holders(1)[0], "10.0.0.0/26 leased to server-2");
}
