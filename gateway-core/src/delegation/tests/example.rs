//! The worked example of the source (its tables 1 to 5), step by step.

use super::lab::{DAY, Lab, at, config, id, subnet};
use crate::delegation::{Event, Policy, Usage, Why};
use crate::subnet::Subnet;

const WEEK: u64 = 7 * 86400;

fn policy(days: u32, renew_after_permille: u16) -> Policy {
    Policy { lease: DAY * days, renew_after_permille, push_above_percent: 50, ..Policy::default() }
}

/// The example up to table 4: 136 has a.0/25 for one week and q.0/24 for two, both told of by 110.
fn obtained() -> Lab {
    let mut lab = Lab::new();
    lab.start(110, config(110, &[]));
    lab.start(136, config(136, &[110]));
    // Table 1: a.0/24, q.0/23, and w.0/25, which 110 uses itself.
    lab.act(110, |core, now| core.handle_policy(policy(7, 571), now));
    lab.act(110, |core, now| core.handle_add(subnet("10.0.9.0/25"), None, now)).unwrap();
    lab.act(110, |core, now| core.handle_need(126, now));
    lab.act(110, |core, now| core.handle_add(subnet("10.0.1.0/24"), None, now)).unwrap();
    lab.act(110, |core, now| core.handle_add(subnet("10.0.2.0/23"), None, now)).unwrap();
    assert_eq!(lab.holders(110), ["10.0.1.0/24 pool", "10.0.2.0/23 pool", "10.0.9.0/25 own"]);
    // 136 asks what was its own, hears nothing, and may ask for more.
    lab.pass(DAY / 1440);
    assert_eq!(lab.transcript, ["136 > 110 DISCOVER earlier"; 4]);

    lab.act(136, |core, now| core.handle_need(126, now));
    assert_eq!(lab.step(), "136 > 110 DISCOVER /25");
    assert_eq!(lab.step(), format!("110 > 136 OFFER lease {WEEK} 10.0.1.0/25 more"));
    // Table 2
    let table = ["10.0.1.0/25 offered to server-136", "10.0.1.128/25 pool", "10.0.2.0/23 pool", "10.0.9.0/25 own"];
    assert_eq!(lab.holders(110), table);
    assert_eq!(lab.step(), "136 > 110 REQUEST 10.0.1.0/25 more");
    assert!(
        lab.server(110).disk.keys().any(|key| key[1] == b'b' && key.ends_with(&[10, 0, 1, 0, 25])),
        "bound, and on disk"
    );
    assert_eq!(lab.step(), format!("110 > 136 ACK lease {WEEK} 10.0.1.0/25 more"));
    assert_eq!(lab.holders(136), ["10.0.1.0/25 own"], "and used by its hosts");

    // There is more: of any size, for two weeks.
    lab.act(110, |core, now| core.handle_policy(policy(14, 786), now));
    assert_eq!(lab.step(), "136 > 110 DISCOVER /0");
    assert_eq!(lab.step(), format!("110 > 136 OFFER lease {} 10.0.2.0/24", 2 * WEEK));
    assert_eq!(lab.step(), "136 > 110 REQUEST 10.0.2.0/24");
    assert_eq!(lab.step(), format!("110 > 136 ACK lease {} 10.0.2.0/24", 2 * WEEK));
    assert_eq!(lab.step(), "", "nothing more");
    // Tables 3 and 4
    let leased = ["10.0.1.0/25 leased to server-136", "10.0.1.128/25 pool", "10.0.2.0/24 leased to server-136"];
    assert_eq!(lab.holders(110)[..3], leased);
    assert_eq!(lab.holders(110)[3..], ["10.0.3.0/24 pool", "10.0.9.0/25 own"]);
    assert_eq!(lab.holders(136), ["10.0.1.0/25 own", "10.0.2.0/24 pool"]);
    lab
}

fn usage(in_use: u64, high_water: u64) -> Usage {
    Usage { in_use, high_water, unusable: 0 }
}

/// SN-1, SN-4, SN-7, SN-8, SN-18, SN-19, SN-22, SN-24, SN-25, SN-26, SN-27, SN-28, SN-29,
/// SN-32, SN-35, SN-36, SN-52, SN-54, SN-56, SN-62, SN-65, SN-66: discovery
/// and acceptance, with a subnet that was split, another that was pushed, and both in the tables of both servers.
#[test]
fn obtaining() {
    let mut lab = obtained();
    assert!(lab.server(136).events.contains(&Event::Obtained { from: at(110), subnet: subnet("10.0.2.0/24") }));
    assert!(lab.server(110).events.contains(&Event::Leased { to: id(136), subnet: subnet("10.0.1.0/25") }));
    // Its hosts' leases end before its own does (SN-58): 95 % of a week after it was asked for.
    let until = lab.server(136).assigned[&subnet("10.0.1.0/25")].unwrap();
    assert_eq!(until.since(lab.now), DAY * 7 - DAY * 7 / 20);
}

/// SN-2, SN-3, SN-41, SN-42, SN-43, SN-44, SN-46, SN-48, SN-67, SN-70, SN-74, H-SN-11,
/// H-SN-16: renewal on day 4 with how much is used, and on day
/// 11 without, which is refused.
#[test]
fn renewing() {
    let mut lab = obtained();
    let (first, second) = (subnet("10.0.1.0/25"), subnet("10.0.2.0/24"));
    lab.act(136, |core, now| core.handle_need(250, now)); // its hosts use the second, too, and it never says how
    lab.act(136, |core, now| core.handle_usage(&first, usage(74, 74), now));
    lab.act(136, |core, now| core.handle_usage(&first, usage(51, 74), now));
    lab.transcript.clear();
    lab.pass(DAY * 4 - DAY / 96);
    assert!(lab.transcript.is_empty());
    lab.pass(DAY / 48);
    let day4 = [
        "136 > 110 RENEW 10.0.1.0/25 used 51 of 74 unusable 0",
        &format!("110 > 136 ACK lease {} 10.0.1.0/25", 2 * WEEK),
    ];
    assert_eq!(lab.transcript, day4);
    let lease = |lab: &Lab, wanted: Subnet| {
        let view = lab.servers[&110].core.view(lab.now);
        view.roots.into_iter().flat_map(|root| root.blocks).find(|block| block.subnet == wanted).unwrap()
    };
    assert_eq!(lease(&lab, first).usage, Some(usage(51, 74)));
    assert_eq!(lease(&lab, second).usage, None, "taken for used");

    lab.act(110, |core, now| core.handle_policy(Policy { refuse_silent: true, ..policy(14, 786) }, now));
    lab.transcript.clear();
    lab.pass(DAY * 7 - DAY / 288);
    let day11 = [
        "136 > 110 RENEW 10.0.2.0/24",
        "110 > 136 NAK 10.0.2.0/24",
        "136 > 110 RELEASE 10.0.2.0/24 used 0 of 0 unusable 0",
    ];
    assert_eq!(lab.transcript, day11);
    // Table 5
    assert_eq!(lab.server(136).gone, [second]);
    assert!(lab.server(136).events.contains(&Event::Lost { subnet: second, why: Why::Refused }));
    assert_eq!(lab.holders(136), ["10.0.1.0/25 own"]);
    assert!(lab.holders(110).contains(&"10.0.2.0/24 resting after server-136".into()));
    lab.pass(DAY / 144);
    assert!(lab.holders(110).contains(&"10.0.2.0/23 pool".into()), "back, and whole again");
}

/// SN-56, SN-58, H-SN-28: 110 has no more addresses of w: it takes a.128/25, and its first host has an address for 6
/// days of
/// the week that the subnet is leased for.
#[test]
fn hosts_of_the_provider() {
    let mut lab = obtained();
    lab.act(110, |core, now| core.handle_policy(policy(7, 500), now));
    lab.act(110, |core, now| core.handle_need(126, now));
    let taken = subnet("10.0.1.128/25");
    let until = lab.server(110).assigned[&taken].unwrap();
    assert!(until.since(lab.now) >= DAY * 6 && until.since(lab.now) < DAY * 7);
    assert_eq!(taken.hosts().0.to_string(), "10.0.1.129", "the first address is the subnet's own");
    assert!(lab.holders(110).contains(&"10.0.1.128/25 own".into()));
}
