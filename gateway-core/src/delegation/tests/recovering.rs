//! Starts: with a disk, without one, and with a provider that forgot.

use super::lab::{DAY, Lab, at, config, id, subnet};
use crate::delegation::{AddError, Entered, Entry, Event, Lessees, Proven, StandingView, Usage, Why};
use crate::time::Duration;
use crate::wire::dhcp4::{Builder, Message, code, kind};
use crate::wire::subnet_allocation::{AllocationBuilder, Block, InformationFlags};

const MINUTE: Duration = Duration::from_secs(60);

/// 1 has 10.0.0.0/23, and 2 has a /26 of it that its hosts use.
fn leased() -> Lab {
    let mut lab = Lab::new();
    lab.start(1, config(1, &[]));
    lab.start(2, config(2, &[1]));
    lab.act(1, |core, now| core.handle_add(subnet("10.0.0.0/23"), None, now)).unwrap();
    lab.pass(MINUTE * 2);
    lab.act(2, |core, now| core.handle_need(62, now));
    lab.deliver();
    assert_eq!(lab.holders(2), ["10.0.0.0/26 own"]);
    lab.pass(DAY);
    lab.transcript.clear();
    lab
}

/// H-SN-3, H-SN-26: after a start nothing is assigned before the provider has said that it is ours, and for how long.
#[test]
fn nothing_before_it_is_confirmed() {
    let mut lab = leased();
    lab.restart(2, true);
    assert!(lab.server(2).assigned.is_empty());
    assert_eq!(lab.servers[&2].core.view(lab.now).roots[0].standing, StandingView::Unconfirmed);
    assert_eq!(lab.step(), "2 > 1 DISCOVER earlier");
    assert_eq!(lab.step(), format!("1 > 2 OFFER lease {} 10.0.0.0/26", 6 * 86400));
    assert_eq!(lab.step(), "", "no REQUEST follows");
    // What is left of it, less the margin; the clock had no say in it.
    let until = lab.server(2).assigned[&subnet("10.0.0.0/26")].unwrap();
    assert_eq!(until.since(lab.now), DAY * 6 - DAY * 6 / 20);
    assert!(lab.server(2).events.contains(&Event::Confirmed { by: at(1), subnet: subnet("10.0.0.0/26") }));
}

/// H-SN-12: a subnet that was asked back is so still after a start, since the recovery says it: there is no renewal before.
#[test]
fn asked_back_before_the_start() {
    let mut lab = leased();
    lab.server(2).drains = false;
    lab.act(1, |core, now| core.handle_remove(&subnet("10.0.0.0/23"), now));
    lab.pass(MINUTE);
    lab.transcript.clear();
    lab.restart(2, true);
    lab.deliver();
    assert_eq!(lab.transcript[0], "2 > 1 DISCOVER earlier");
    assert!(lab.transcript[1].ends_with("10.0.0.0/26 deprecated"), "{:?}", lab.transcript);
    assert_eq!(lab.servers[&2].core.view(lab.now).roots[0].standing, StandingView::Deprecated);
    assert_eq!(lab.server(2).assigned[&subnet("10.0.0.0/26")], None);
}

/// H-SN-3: a provider that is not there confirms nothing; one that is, and does not know of the lease, ends it. When a provider
/// starts anew its lessees have all of their time again.
#[test]
fn a_provider_that_is_away_or_forgets() {
    let mut lab = leased();
    let provider = lab.servers.remove(&1).unwrap();
    lab.restart(2, true);
    lab.pass(MINUTE * 30);
    assert_eq!((lab.server(2).assigned.len(), lab.holders(2)), (0, vec!["10.0.0.0/26 own".into()]));
    lab.servers.insert(1, provider);
    lab.restart(1, true);
    lab.pass(MINUTE * 2);
    assert_eq!(lab.server(2).assigned.len(), 1, "asked again until it answers");
    let view = lab.servers[&1].core.view(lab.now);
    let until = view.roots[0].blocks[0].until.unwrap();
    let left = until.since(lab.now);
    assert!(
        left >= DAY * 6 && left < DAY * 6 + MINUTE * 95,
        "as when it was written down last: no clock is believed; {left:?}"
    );
    // 2 has another lease as well, which the provider has forgotten.
    lab.act(2, |core, now| core.handle_need(100, now));
    lab.deliver();
    assert_eq!(lab.holders(2).len(), 2);
    let forgotten = |key: &Vec<u8>| key[1] == b'b' && key.ends_with(&[10, 0, 0, 0, 26]);
    lab.server(1).disk.retain(|key, _| !forgotten(key));
    lab.restart(1, true);
    lab.restart(2, true);
    lab.pass(MINUTE);
    assert!(lab.server(2).events.contains(&Event::Lost { subnet: subnet("10.0.0.0/26"), why: Why::Unknown }));
    assert_eq!(lab.holders(2), ["10.0.0.128/25 own"]);
}

/// H-SN-3, H-SN-13: a requester without its table learns page by page what is its own, and each page is asked for with the one
/// before and with a Subnet-Request. Since it hands subnets on, parts of them may be others', until their time is over; who
/// renews such a part has it.
#[test]
fn a_lost_table() {
    let mut lab = leased();
    for _ in 0..9 {
        lab.act(2, |core, now| core.handle_need(30, now));
        lab.deliver();
    }
    let roots = lab.servers[&2].core.view(lab.now).roots.len();
    assert_eq!(roots, 10);
    // 3 has a part of what 2 has.
    lab.start(3, config(3, &[2]));
    lab.pass(MINUTE);
    lab.act(2, |core, now| core.handle_usage(&subnet("10.0.0.64/27"), Usage::default(), now));
    lab.pass(MINUTE * 16); // it is in 2's pool
    lab.act(3, |core, now| core.handle_need(14, now));
    lab.deliver();
    assert_eq!(lab.holders(3), ["10.0.0.64/28 own"]);
    lab.transcript.clear();
    lab.restart(2, false);
    lab.pass(MINUTE);
    let asked: Vec<_> = lab.transcript.iter().filter(|text| text.starts_with("2 > 1")).cloned().collect();
    assert_eq!(asked[0], "2 > 1 DISCOVER earlier");
    assert_eq!(asked[1], "2 > 1 DISCOVER earlier 10.0.0.0/26 more", "its lease is a day shorter");
    assert!(asked[2].starts_with("2 > 1 DISCOVER earlier 10.0.0.64/27 10.0.0.96/27"), "{}", asked[2]);
    assert_eq!(asked.len(), 3);
    let view = lab.servers[&2].core.view(lab.now);
    assert!(
        view.roots.len() == roots
            && view.roots.iter().all(|root| matches!(root.standing, StandingView::Uncertain { .. }))
    );
    assert!(lab.server(2).assigned.is_empty());
    lab.pass(DAY * 4);
    assert!(lab.holders(2).contains(&"10.0.0.64/28 leased to server-3".into()), "it has renewed it");
    lab.pass(DAY * 7);
    let view = lab.servers[&2].core.view(lab.now);
    assert!(view.roots.iter().all(|root| root.standing == StandingView::Active), "all leases of before are over");
    assert_eq!(lab.holders(3), ["10.0.0.64/28 own"]);
}

/// H-SN-3: who hands nothing on uses what it is told is its own at once, and for the same; its address server hears that hosts may
/// be there that it has forgotten, also after another start, and nothing goes back while these may have addresses.
#[test]
fn a_lost_table_of_a_leaf() {
    let mut lab = leased();
    lab.server(2).config.lessees = Lessees::Nobody;
    lab.restart(2, false);
    lab.pass(MINUTE);
    assert_eq!(lab.servers[&2].core.view(lab.now).roots[0].standing, StandingView::Active);
    assert_eq!(lab.holders(2), ["10.0.0.0/26 own"]);
    assert!(lab.server(2).recovered.contains(&subnet("10.0.0.0/26")));
    lab.restart(2, true);
    lab.pass(MINUTE);
    assert!(lab.server(2).recovered.contains(&subnet("10.0.0.0/26")), "that is on disk");
    lab.act(2, |core, now| core.handle_usage(&subnet("10.0.0.0/26"), Usage::default(), now));
    lab.pass(DAY * 5);
    assert_eq!(lab.holders(2), ["10.0.0.0/26 own"], "nobody uses it as far as is known");
    lab.pass(DAY * 3);
    assert_eq!(lab.holders(2), [""; 0], "and now it is certain");
}

/// H-SN-3: what is entered at a server that has no record of former times rests until all leases of before are over, also over
/// further starts; a lessee that renews a part of it keeps that; an operator who knows better is believed. What is entered later
/// rests no longer.
#[test]
fn a_first_server_that_lost_its_disk() {
    let mut lab = leased();
    let entry = |text: &str| Entry { subnet: subnet(text), maximum: None, fresh: false };
    lab.restart(1, false);
    let entered = lab.act(1, |core, now| core.handle_enter(entry("10.0.0.0/23"), now));
    assert_eq!(entered, Ok(Entered::Uncertain));
    let told = |lab: &Lab| lab.servers[&1].events.iter().any(|event| matches!(event, Event::Uncertain { .. }));
    assert!(told(&lab));
    lab.start(3, config(3, &[1]));
    lab.pass(MINUTE);
    lab.act(3, |core, now| core.handle_need(30, now));
    lab.pass(MINUTE);
    assert_eq!(lab.holders(3), [""; 0], "nothing is given");
    lab.pass(DAY * 3);
    assert!(lab.holders(1).contains(&"10.0.0.0/26 leased to server-2".into()), "{:?}", lab.holders(1));
    lab.restart(1, true);
    lab.pass(DAY * 3);
    let standing = |lab: &Lab| lab.servers[&1].core.view(lab.now).roots[0].standing;
    assert!(matches!(standing(&lab), StandingView::Uncertain { .. }), "a start does not make it certain");
    lab.pass(DAY);
    lab.pass(MINUTE * 70);
    assert_eq!(standing(&lab), StandingView::Active, "nor does it begin anew");
    lab.pass(DAY);
    assert!(lab.holders(3).iter().all(|holder| !holder.starts_with("10.0.0.0/26")) && !lab.holders(3).is_empty());
    let entered = lab.act(1, |core, now| core.handle_enter(entry("10.1.0.0/24"), now));
    assert_eq!(entered, Ok(Entered::Ready));

    let mut lab = leased();
    lab.restart(1, false);
    lab.act(1, |core, now| core.handle_enter(entry("10.7.0.0/24"), now)).unwrap();
    let fresh = Entry { fresh: true, ..entry("10.7.0.0/24") };
    assert_eq!(lab.act(1, |core, now| core.handle_enter(fresh, now)), Ok(Entered::Ready));
    assert_eq!(standing(&lab), StandingView::Active);
    lab.restart(1, true);
    assert_eq!(standing(&lab), StandingView::Active);
}

/// SN-53: another longest lease of a subnet that is there holds from now on, and what was promised before holds, too.
#[test]
fn another_longest_lease() {
    let mut lab = leased();
    let day = Entry { subnet: subnet("10.0.0.0/23"), maximum: Some(DAY), fresh: false };
    assert_eq!(lab.act(1, |core, now| core.handle_enter(day, now)), Ok(Entered::Changed));
    lab.restart(1, true);
    assert_eq!(lab.act(1, |core, now| core.handle_enter(day, now)), Err(AddError::Twice(day.subnet)), "it is on disk");
    assert_eq!(lab.holders(1)[0], "10.0.0.0/26 leased to server-2");
    lab.act(2, |core, now| core.handle_need(100, now));
    lab.transcript.clear();
    lab.deliver();
    assert!(lab.transcript.iter().any(|text| text.starts_with("1 > 2 ACK lease 86400 ")), "{:?}", lab.transcript);
}

/// H-SN-10: what was accepted while no answer came through is found by asking.
#[test]
fn an_acceptance_without_an_answer() {
    let mut lab = leased();
    lab.act(2, |core, now| core.handle_need(100, now));
    lab.step();
    lab.step();
    lab.step(); // 1 has bound it; its ACK is lost, and so are all that follow
    lab.wire.clear();
    let provider = lab.servers.remove(&1).unwrap();
    lab.pass(MINUTE * 4 / 3);
    lab.servers.insert(1, provider);
    lab.pass(MINUTE * 2);
    assert_eq!(lab.holders(2), ["10.0.0.0/26 own", "10.0.0.128/25 own"]);
    assert_eq!(lab.holders(1)[2], "10.0.0.128/25 leased to server-2");
    assert_eq!(id(2).to_string(), "server-2");
}

/// H-SN-3: that the table was lost is not forgotten by the next start, nor when the provider is slower than the question is patient: what
/// it tells then rests all the same, and whoever holds a part keeps it.
#[test]
fn a_lost_table_and_a_second_start() {
    for second_start in [false, true] {
        let mut lab = leased();
        lab.start(3, config(3, &[2]));
        lab.act(2, |core, now| core.handle_need(120, now));
        lab.pass(MINUTE);
        lab.act(2, |core, now| core.handle_need(0, now));
        lab.act(2, |core, now| core.handle_usage(&subnet("10.0.0.0/26"), Usage::default(), now));
        lab.pass(MINUTE * 16);
        lab.act(3, |core, now| core.handle_need(14, now));
        lab.pass(MINUTE);
        assert_eq!(lab.holders(3), ["10.0.0.0/28 own"]);
        let provider = lab.servers.remove(&1).unwrap();
        lab.restart(2, false);
        lab.act(2, |core, now| core.handle_add(subnet("10.9.0.0/28"), None, now)).unwrap();
        lab.pass(if second_start { Duration::from_secs(5) } else { MINUTE * 30 });
        if second_start {
            lab.restart(2, true);
        }
        lab.servers.insert(1, provider);
        lab.pass(MINUTE * 10);
        lab.act(2, |core, now| core.handle_need(300, now));
        lab.pass(DAY);
        let view = lab.servers[&2].core.view(lab.now);
        let root = view.roots.iter().find(|root| root.subnet == subnet("10.0.0.0/26")).expect("it was told of");
        assert!(matches!(root.standing, StandingView::Uncertain { .. }), "{:?}", root.standing);
        assert!(!lab.server(2).assigned.keys().any(|used| used.overlaps(&subnet("10.0.0.0/28"))));
        lab.pass(DAY * 5);
        assert!(lab.holders(2).contains(&"10.0.0.0/28 leased to server-3".into()), "{:?}", lab.holders(2));
        assert_eq!(lab.holders(3), ["10.0.0.0/28 own"]);
    }
}

/// H-SN-3, SN-26, SN-53: a provider tells of subnets of different leases on different pages, so that none is taken to end with another;
/// and what was recovered rests no shorter than anything of it can be somebody's.
#[test]
fn pages_of_one_lease() {
    let mut lab = Lab::new();
    lab.start(1, config(1, &[]));
    lab.start(2, config(2, &[1]));
    lab.act(1, |core, now| core.handle_add(subnet("10.0.0.0/26"), Some(Duration::from_secs(3600)), now)).unwrap();
    lab.act(1, |core, now| core.handle_add(subnet("10.1.0.0/26"), None, now)).unwrap();
    lab.pass(MINUTE);
    for _ in 0..2 {
        lab.act(2, |core, now| core.handle_need(62, now));
        lab.deliver();
    }
    assert_eq!(lab.holders(2), ["10.0.0.0/26 own", "10.1.0.0/26 own"]);
    let expires = |lab: &Lab| -> Vec<u64> {
        let view = lab.servers[&2].core.view(lab.now);
        let of = |root: &crate::delegation::RootView| match root.source {
            crate::delegation::SourceView::Provider { expires, .. } => expires.since(lab.now).as_secs(),
            other => panic!("{other:?}"),
        };
        view.roots.iter().map(of).collect()
    };
    let before = expires(&lab);
    lab.restart(2, true);
    lab.pass(Duration::from_secs(1));
    let after = expires(&lab);
    assert!(before.iter().zip(&after).all(|(before, after)| before - after < 120), "{before:?} {after:?}");
    lab.restart(2, false);
    lab.pass(DAY * 6);
    let view = lab.servers[&2].core.view(lab.now);
    assert!(view.roots.iter().all(|root| matches!(root.standing, StandingView::Uncertain { .. })), "{:?}", view.roots);
}

/// H-SN-13: a provider that says the same page for ever is not asked for ever at its own pace.
#[test]
fn an_endless_page() {
    let mut lab = Lab::new();
    lab.start(2, config(2, &[1]));
    let mut asked = 0;
    for _ in 0..50 {
        let Some(question) = lab.wire.pop_front() else { break };
        asked += 1;
        let message = Message::parse(&question.octets).unwrap();
        let flags = InformationFlags { more: true, earlier: true };
        let page =
            AllocationBuilder::new().information(flags, &[Block::plain(subnet("10.0.0.0/26"))]).finish().unwrap();
        let offer = Builder::reply(&message).kind(kind::OFFER).address(code::SERVER_ID, at(1));
        let offer = offer.number(code::LEASE_TIME, 9999).option(code::SUBNET_ALLOCATION, &page).finish();
        lab.hand(2, &offer, at(1), Proven::No);
    }
    assert_eq!(asked, 2);
    lab.act(2, |core, now| core.handle_need(100, now));
    lab.pass(MINUTE);
    assert!(lab.transcript.iter().any(|text| text.contains("DISCOVER /26")), "and what is lacking is asked for");
}

/// H-SN-3: a provider that has another address now confirms what it leased at its old one, when nobody is configured to be there.
#[test]
fn a_provider_that_has_moved() {
    let mut lab = leased();
    let mut provider = lab.servers.remove(&1).unwrap();
    provider.config.address = at(11);
    lab.servers.insert(1, provider);
    lab.restart(1, true);
    lab.server(2).config.providers = vec![at(11)];
    lab.restart(2, true);
    lab.pass(MINUTE);
    assert!(lab.server(2).assigned.contains_key(&subnet("10.0.0.0/26")));
}

/// H-SN-3, H-SN-6, SN-47: a server without its table that is asked for a subnet does not give it back while others may hold parts of
/// it that it has forgotten: not at once, and not after another start.
#[test]
fn asked_for_what_is_uncertain() {
    for restarts in [false, true] {
        let mut lab = leased();
        lab.start(3, config(3, &[2]));
        lab.pass(MINUTE);
        lab.act(2, |core, now| core.handle_usage(&subnet("10.0.0.0/26"), Usage::default(), now));
        lab.pass(MINUTE * 16); // it is in 2's pool
        lab.act(3, |core, now| core.handle_need(14, now));
        lab.deliver();
        assert_eq!(lab.holders(3), ["10.0.0.0/28 own"]);
        lab.restart(2, false);
        lab.pass(MINUTE);
        lab.transcript.clear();
        lab.act(1, |core, now| core.handle_remove(&subnet("10.0.0.0/23"), now));
        lab.pass(MINUTE);
        let is = |lab: &Lab| lab.servers[&2].core.view(lab.now).roots[0].standing;
        assert_eq!(is(&lab), StandingView::Deprecated);
        if restarts {
            lab.restart(2, true);
        }
        lab.pass(DAY * 2);
        assert_eq!(is(&lab), StandingView::Deprecated);
        assert!(!lab.transcript.iter().any(|text| text.contains("RELEASE")), "{restarts}: {:?}", lab.transcript);
        assert_eq!(lab.holders(3), ["10.0.0.0/28 own"]);
        lab.pass(DAY * 8);
        assert_eq!((lab.holders(1), lab.holders(2), lab.holders(3)), (vec![], vec![], vec![]), "{restarts}");
    }
}

/// H-SN-3, SN-53: at a server that has lost its disk, taking a subnet away and entering it again makes nothing of it certain.
#[test]
fn taken_away_and_entered_again() {
    let mut lab = leased();
    lab.restart(1, false);
    let entry = Entry { subnet: subnet("10.0.0.0/23"), maximum: None, fresh: false };
    lab.act(1, |core, now| core.handle_enter(entry, now)).unwrap();
    lab.pass(DAY * 3); // 2 has renewed its part; a third one might hold another
    assert!(lab.holders(1).contains(&"10.0.0.0/26 leased to server-2".into()));
    assert!(lab.act(1, |core, now| core.handle_remove(&subnet("10.0.0.0/23"), now)));
    assert_eq!(lab.act(1, |core, now| core.handle_enter(entry, now)), Ok(Entered::Uncertain));
    let standing = lab.servers[&1].core.view(lab.now).roots[0].standing;
    assert!(matches!(standing, StandingView::Uncertain { .. }), "{standing:?}");
    let fresh = Entry { fresh: true, ..entry };
    assert_eq!(lab.act(1, |core, now| core.handle_enter(fresh, now)), Ok(Entered::Ready));
}

/// H-SN-3, SN-53: what was taken away while it rested stays taken away over a start, and is gone when its parts are back.
#[test]
fn taken_away_while_it_rests() {
    let mut lab = leased();
    lab.restart(1, false);
    let entry = Entry { subnet: subnet("10.0.0.0/23"), maximum: None, fresh: false };
    lab.act(1, |core, now| core.handle_enter(entry, now)).unwrap();
    lab.pass(DAY * 4);
    assert!(lab.act(1, |core, now| core.handle_remove(&subnet("10.0.0.0/23"), now)));
    let standings =
        |lab: &Lab| lab.servers[&1].core.view(lab.now).roots.iter().map(|root| root.standing).collect::<Vec<_>>();
    assert_eq!(standings(&lab), [StandingView::Deprecated]);
    lab.restart(1, true);
    assert_eq!(standings(&lab), [StandingView::Deprecated]);
    lab.pass(DAY * 30);
    assert_eq!(standings(&lab), []);
}
