//! Servers that ask each other in a circle.

use super::lab::{Lab, config, subnet};
use crate::delegation::Usage;
use crate::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// H-SN-7, SN-57: peers that ask each other in a circle come to an end, and nobody gets its own subnet back.
#[test]
fn circles() {
    let mut lab = Lab::new();
    for (number, asks) in [(1, [2, 3]), (2, [1, 3]), (3, [1, 2])] {
        lab.start(number, config(number, &asks));
    }
    lab.pass(MINUTE * 2);
    lab.transcript.clear();
    // Nobody has anything. What one lacks it asks all others for, and nobody asks for it.
    lab.act(2, |core, now| core.handle_need(62, now));
    lab.pass(MINUTE * 10);
    let asked: Vec<_> = lab.transcript.iter().filter(|text| text.contains("DISCOVER")).collect();
    assert!(asked.len() > 10 && asked.iter().all(|text| text.starts_with("2 > ")), "{asked:?}");
    // 1 has some, which goes to 2 and on to 3; then 1 lacks addresses, and its own is not offered to it.
    lab.act(2, |core, now| core.handle_need(0, now));
    lab.pass(MINUTE * 2);
    lab.act(1, |core, now| core.handle_add(subnet("10.0.0.0/26"), None, now)).unwrap();
    lab.act(2, |core, now| core.handle_need(62, now));
    lab.pass(MINUTE * 3);
    assert_eq!(lab.holders(1), ["10.0.0.0/26 leased to server-2"]);
    lab.act(2, |core, now| core.handle_usage(&subnet("10.0.0.0/26"), Usage::default(), now));
    lab.pass(MINUTE * 16); // 2 does not use it: it is in its pool
    assert_eq!(lab.holders(2), ["10.0.0.0/26 pool"]);
    lab.transcript.clear();
    lab.act(1, |core, now| core.handle_need(20, now));
    lab.pass(MINUTE * 5);
    let circle = lab.transcript.iter().any(|text| text.contains("2 > 1 OFFER") || text.contains("3 > 1 OFFER"));
    assert!(!circle, "{:?}", lab.transcript);
}
