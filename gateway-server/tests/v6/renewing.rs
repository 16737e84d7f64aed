//! RENEW, REBIND and RELEASE: RFC 8415 sections 18.3.4, 18.3.5 and 18.3.7.

use gateway_core::time::Duration;
use gateway_core::wire::dhcp6::{IaKind, kind, status};

use crate::lab::*;

const NA: IaKind = IaKind::Na;
const PD: IaKind = IaKind::Pd;

/// A renewal moves the end of the lease, on disk before it is told.
#[test]
fn renew_and_rebind() {
    let mut lab = Lab::new(config());
    let (na, pd) = lab.dual(&cpe(1));
    for kind in [kind::RENEW, kind::REBIND] {
        lab.wait(Duration::from_secs(5000));
        let reply = lab.ask(&cpe(1), kind, &[(NA, 1, &[na]), (PD, 1, &[pd])]).unwrap();
        assert_eq!((reply.kind(), lab.written), (kind::REPLY, 2));
        assert_eq!((reply.lease(NA, 1), reply.lease(PD, 1)), (Some(na), Some(pd)));
        lab.crash();
    }
    lab.rest(Duration::from_secs(5000));
    assert_eq!(lab.active(), 2);
    lab.rest(Duration::from_secs(2300));
    assert_eq!(lab.active(), 0, "over");
}

/// Nothing of it is known: NoBinding in the IA. Of another link: no lifetime. An IA more: a lease.
#[test]
fn renewals_of_what_is_not() {
    let mut lab = Lab::new(config());
    let (na, _) = lab.dual(&cpe(1));
    let reply = lab.ask(&cpe(2), kind::RENEW, &[(NA, 1, &[na])]).unwrap();
    assert_eq!(reply.ia(NA, 1), (vec![], status::NO_BINDING), "another client's");
    let reply = lab.ask(&cpe(1), kind::RENEW, &[(NA, 1, &[na]), (PD, 9, &[])]).unwrap();
    assert_eq!(reply.lease(NA, 1), Some(na));
    assert!(reply.lease(PD, 9).is_some());
    let also = address("2001:db8:1::8");
    let reply = lab.ask(&cpe(1), kind::RENEW, &[(NA, 1, &[na, also])]).unwrap();
    assert_eq!(reply.ia(NA, 1).0, [(na, [3600, 7200]), (also, [0, 0])]);
    let moved = Cpe { link: OTHER_LINK, ..cpe(1) };
    let reply = lab.ask(&moved, kind::REBIND, &[(NA, 1, &[na])]).unwrap();
    assert_eq!(reply.ia(NA, 1).0, [(na, [0, 0])]);
    // Beside another server, silence where nothing is known.
    lab.config.authoritative = false;
    lab.crash();
    assert!(lab.ask(&cpe(3), kind::REBIND, &[(NA, 1, &[na])]).is_none());
    assert!(lab.ask(&cpe(3), kind::RENEW, &[(NA, 1, &[na])]).is_some(), "asked by name");
}

/// What ended by time alone comes back to who had it; what was released does not.
#[test]
fn late_renewals() {
    let mut lab = Lab::new(config());
    let (na, pd) = lab.dual(&cpe(1));
    lab.rest(Duration::from_secs(8000));
    assert_eq!(lab.active(), 0);
    let reply = lab.ask(&cpe(1), kind::RENEW, &[(NA, 1, &[na]), (PD, 1, &[pd])]).unwrap();
    assert_eq!((reply.lease(NA, 1), reply.lease(PD, 1)), (Some(na), Some(pd)));
    lab.ask(&cpe(1), kind::RELEASE, &[(NA, 1, &[na])]).unwrap();
    let reply = lab.ask(&cpe(1), kind::RENEW, &[(NA, 1, &[na])]).unwrap();
    assert_eq!(reply.ia(NA, 1).1, status::NO_BINDING);
}

/// RFC 8415 section 18.3.7: Success, and NoBinding for an IA in which nothing of it is held; durable.
#[test]
fn release() {
    let mut lab = Lab::new(config());
    let (na, pd) = lab.dual(&cpe(1));
    let reply = lab.ask(&cpe(2), kind::RELEASE, &[(NA, 1, &[na])]).unwrap();
    assert_eq!((reply.status(), reply.ia(NA, 1)), (0, (vec![], status::NO_BINDING)));
    assert_eq!(lab.active(), 2, "nobody else's word counts");
    let reply = lab.ask(&cpe(1), kind::RELEASE, &[(NA, 1, &[na]), (PD, 2, &[pd])]).unwrap();
    assert_eq!((reply.status(), lab.written), (0, 1));
    assert_eq!(reply.message().ias().unwrap().len(), 1);
    assert_eq!(reply.ia(PD, 2).1, status::NO_BINDING, "another IA's");
    lab.crash();
    assert_eq!(lab.active(), 1);
}
