//! What a reply means.

use super::*;
use crate::wire::dhcp6::{Builder, IaKind, Malformed, code, status};

fn build(overall: Option<u16>, clients: &[&dyn Fn(&mut Builder)]) -> Vec<u8> {
    let mut out = Builder::message(241, XID);
    out.duid(code::SERVER_ID, server().as_duid());
    if let Some(overall) = overall {
        out.status(overall, "");
    }
    for fill in clients {
        out.nest(code::CLIENT_DATA, &[], |out| fill(out));
    }
    out.finish().unwrap()
}

fn whole(number: u16, code: u16) -> impl Fn(&mut Builder) {
    move |out: &mut Builder| {
        out.duid(code::CLIENT_ID, client(number).as_duid()).status(code, "");
    }
}

fn ia(number: u16, kind: IaKind, iaid: u32, code: u16) -> impl Fn(&mut Builder) {
    move |out: &mut Builder| {
        out.duid(code::CLIENT_ID, client(number).as_duid()).ia(kind, iaid, [0, 0], |out| {
            out.status(code, "");
        });
    }
}

/// What the reply says of client 1, asked about an address in IA_NA 1 and a prefix in IA_PD 1.
fn outcomes(octets: &[u8]) -> Vec<Outcome> {
    let (reply, id) = (read(octets).unwrap(), client(1));
    match reply.outcomes(&releasing(id.as_duid(), vec![addresses(1, 1), prefixes(1, 1)])) {
        Outcomes::Listed(outcomes) => outcomes,
        Outcomes::Everything { .. } => panic!("two were listed"),
    }
}

fn read(octets: &[u8]) -> Result<ReleaseReply<'_>, ReplyRefused> {
    let server = server();
    ReleaseReply::parse(octets, types(), XID, server.as_duid())
}

use Outcome::{Kept, NoBinding, Released};

/// Another transaction, no status, another server, another message. RR-39, RR-40
#[test]
fn what_is_discarded() {
    let good = build(Some(0), &[]);
    assert!(read(&good).is_ok());
    let server = server();
    let other = ReleaseReply::parse(&good, types(), XID + 1, server.as_duid());
    assert_eq!(other, Err(ReplyRefused::Xid(XID)));
    assert_eq!(read(&build(None, &[&whole(1, 0)])), Err(ReplyRefused::NoStatus), "a client's is not the message's");
    let foreign = ReleaseReply::parse(&good, types(), XID, Duid::new(b"other").unwrap());
    assert_eq!(foreign, Err(ReplyRefused::ForeignServerId));
    let mut request = good.clone();
    request[0] = 240;
    assert_eq!(read(&request), Err(ReplyRefused::Kind(240)));
    assert_eq!(read(&good[..good.len() - 1]), Err(Malformed::CutOption { code: 13, at: 18 }.into()));
    assert_eq!(read(&[]), Err(Malformed::Short { length: 0, least: 4 }.into()));
    let nameless = Builder::message(241, XID).status(0, "").finish().unwrap();
    assert!(read(&nameless).is_ok(), "the draft asks for no server-id there");
}

/// A status without the name of its client could hide a failure: the reply counts for nothing. RR-28, RR-29
#[test]
fn a_status_of_nobody() {
    let nobody = |out: &mut Builder| {
        out.status(status::NOT_ALLOWED, "");
    };
    assert_eq!(read(&build(Some(0), &[&whole(1, 3), &nobody])), Err(Malformed::Missing(1).into()));
}

/// Who is not listed under Success was released. RR-27, RR-30, H-RR-4
#[test]
fn success() {
    assert_eq!(outcomes(&build(Some(0), &[])), [Released, Released]);
    assert_eq!(outcomes(&build(Some(0), &[&whole(2, 1)])), [Released, Released], "another client's failure");
}

/// A failure of the message without details: nothing was released. NoBinding is none. RR-25, RR-26, H-RR-5
#[test]
fn failure_as_a_whole() {
    for code in [1, 9, 10, 65535] {
        assert_eq!(outcomes(&build(Some(code), &[])), [Kept(code), Kept(code)]);
    }
    assert_eq!(outcomes(&build(Some(status::NO_BINDING), &[])), [NoBinding, NoBinding]);
}

/// The client's status counts before the message's, whichever way they differ. RR-28, H-RR-4
#[test]
fn by_client() {
    assert_eq!(outcomes(&build(Some(0), &[&whole(1, 10)])), [Kept(10), Kept(10)]);
    assert_eq!(outcomes(&build(Some(0), &[&whole(1, 3)])), [NoBinding, NoBinding]);
    assert_eq!(outcomes(&build(Some(1), &[&whole(1, 0)])), [Released, Released]);
    assert_eq!(outcomes(&build(Some(1), &[&whole(2, 0)])), [Kept(1), Kept(1)]);
}

/// The IA's status counts before both; another IA's, another kind's and another client's don't. RR-29
#[test]
fn by_ia() {
    use IaKind::{Na, Pd};
    assert_eq!(outcomes(&build(Some(0), &[&ia(1, Na, 1, 1)])), [Kept(1), Released]);
    assert_eq!(outcomes(&build(Some(0), &[&ia(1, Pd, 1, 3)])), [Released, NoBinding]);
    assert_eq!(outcomes(&build(Some(0), &[&ia(1, Na, 2, 1)])), [Released, Released]);
    assert_eq!(outcomes(&build(Some(0), &[&ia(2, Na, 1, 1)])), [Released, Released]);
    let both = |out: &mut Builder| {
        ia(1, Na, 1, 0)(out);
        out.status(10, "");
    };
    assert_eq!(outcomes(&build(Some(0), &[&both])), [Released, Kept(10)]);
}

/// A server that tells of the leases instead of the IA: in the IA, or without it. RR-29, H-RR-2
#[test]
fn by_lease() {
    let (address, prefix) = (addresses(1, 1).bindings()[0], prefixes(1, 1).bindings()[0]);
    let bare = |out: &mut Builder| {
        out.duid(code::CLIENT_ID, client(1).as_duid());
        out.lease(prefix, [0, 0], |out| {
            out.status(10, "");
        });
    };
    assert_eq!(outcomes(&build(Some(0), &[&bare])), [Released, Kept(10)]);
    let inside = |out: &mut Builder| {
        out.duid(code::CLIENT_ID, client(1).as_duid()).ia(IaKind::Na, 1, [0, 0], |out| {
            out.lease(address, [0, 0], |out| {
                out.status(1, "");
            });
        });
    };
    assert_eq!(outcomes(&build(Some(0), &[&inside])), [Kept(1), Released]);
}

/// Of two that are said of one thing the worse counts: a repeated client is not taken for released. H-RR-9
#[test]
fn a_client_twice() {
    assert_eq!(outcomes(&build(Some(0), &[&whole(1, 10), &whole(1, 0)])), [Kept(10), Kept(10)]);
    assert_eq!(outcomes(&build(Some(0), &[&whole(1, 0), &whole(1, 3)])), [NoBinding, NoBinding]);
    let (failed, done) = (ia(1, IaKind::Na, 1, 1), ia(1, IaKind::Na, 1, 0));
    assert_eq!(outcomes(&build(Some(0), &[&failed, &done])), [Kept(1), Released]);
}

/// A client that was to lose everything: what is named is excepted. RR-19, RR-29
#[test]
fn everything_but() {
    let id = client(1);
    let everything = |octets: &[u8]| read(octets).unwrap().outcomes(&releasing(id.as_duid(), vec![]));
    let rest = |rest, except| Outcomes::Everything { rest, except };
    assert_eq!(everything(&build(Some(0), &[])), rest(Released, vec![]));
    assert_eq!(everything(&build(Some(0), &[&whole(1, 3)])), rest(NoBinding, vec![]));
    let octets = build(Some(0), &[&ia(1, IaKind::Pd, 4, 1)]);
    assert_eq!(everything(&octets), rest(Released, vec![(Part::Ia(IaKind::Pd, 4), Kept(1))]));
}

/// A status for a client that was not asked about is told, and changes nothing.
#[test]
fn somebody_else() {
    let octets = build(Some(0), &[&whole(7, 1), &whole(1, 3)]);
    let (reply, id, other) = (read(&octets).unwrap(), client(1), client(7));
    let asked = [releasing(id.as_duid(), vec![])];
    assert_eq!(reply.unasked(&asked).collect::<Vec<_>>(), [other.as_duid()]);
    assert_eq!(reply.outcomes(&asked[0]), Outcomes::Everything { rest: NoBinding, except: vec![] });
}
