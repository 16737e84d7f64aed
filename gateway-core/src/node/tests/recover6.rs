//! DHCPv6 leases that a server tells in bulk.

use core::slice::from_ref;
use std::collections::BTreeMap;

use super::six::{Home, address, ask, config, delegated, duid, ip, reply, server};
use super::takeover::Cells;
use super::world::{BOOT, line, mac};
use crate::line::FpcId;
use crate::node::{Command, Done, NodeConfig, Purpose, Request, What};
use crate::relay::Unreadable;
use crate::scope::Epoch;
use crate::session::Refusal;
use crate::time::{Duration, Instant};
use crate::wire::dhcp6::leasequery::{Answering, ClientRecord, LeaseQuery, RelayData, frame};
use crate::wire::dhcp6::release::{ReleaseRequest, ReleaseTypes};
use crate::wire::dhcp6::{Binding, Builder, DuidBuf, IaKind, Message, Nest, Prefix, code, kind, status};

/// What a server tells of a client: its leases with their IAIDs, when it was heard, and how.
#[derive(Clone, Debug)]
struct Told {
    client: DuidBuf,
    leases: Vec<(Prefix, u32)>,
    /// It tells IAIDs, which RFC 5007 does not ask for.
    names: bool,
    since: u32,
    path: Vec<u8>,
}

fn binding(prefix: Prefix) -> (IaKind, Binding) {
    match prefix.length() {
        128 => (IaKind::Na, Binding::Address(prefix.address())),
        _ => (IaKind::Pd, Binding::Prefix(prefix)),
    }
}

/// The way that a client's REQUEST takes from a port, as the server stores it.
fn path(home: &mut Home, client: u8, port: u16) -> Vec<u8> {
    let sent = home.says(client, mac(client), port, &ask(client, kind::REQUEST, &[])).expect("relayed");
    Nest::walk(&sent).unwrap().without_message().unwrap()
}

/// Both leases of a client on a port.
fn told(home: &mut Home, client: u8, port: u16, since: u32) -> Told {
    let leases = vec![(address(client), 7), (delegated(client), 8)];
    Told { client: duid(client), leases, names: true, since, path: path(home, client, port) }
}

/// Asks the server, which tells this; gives what was done.
fn restored(home: &mut Home, leases: &[Told]) -> Vec<(What, Done)> {
    let server = server().into();
    assert_eq!(home.node.recover(Purpose::Restore, Some(server), home.now), Ok(1));
    home.carry_out();
    home.node.handle_dialled(server, home.now);
    let mut asked = Vec::new();
    while let Some(command) = home.node.poll_command() {
        if let Command::Converse { octets, .. } = command {
            asked.push(octets);
        }
    }
    let [question] = &asked[..] else { panic!("{asked:?}") };
    let query = LeaseQuery::parse(&question[2..]).unwrap();
    let own = duid(0xaa);
    let answering = Answering { xid: query.xid, requestor: query.requestor, server_id: own.as_duid() };
    let mut stream = Vec::new();
    for (place, Told { client, leases, names, since, path }) in leases.iter().enumerate() {
        let mut ias = Builder::options();
        for (prefix, iaid) in leases.iter().filter(|_| *names) {
            let (kind, binding) = binding(*prefix);
            ias.ia(kind, *iaid, [0, 0], |out| {
                out.lease(binding, [900, 900], |_| {});
            });
        }
        let record = ClientRecord {
            client_id: client.as_duid(),
            leases: leases.iter().map(|(prefix, _)| (binding(*prefix).1, [900, 900])).collect(),
            since: *since,
            relay: Some(RelayData { peer: ip("2001:db8::1"), message: path }),
            more: &ias.finish().unwrap(),
        };
        let message = if place == 0 { answering.reply(Some(&record)) } else { record.data(query.xid) };
        stream.extend(frame(&message.unwrap()).unwrap());
    }
    stream.extend(frame(&answering.done(None).unwrap()).unwrap());
    home.node.handle_stream(server, &stream, home.now);
    home.carry_out();
    let view = home.node.recoveries().find(|view| view.server == server).expect("asked");
    assert_eq!(view.ended.as_ref().map(|(_, outcome)| outcome.clone()), Some(Ok(())));
    view.differences.iter().map(|difference| (difference.what, difference.done)).collect()
}

fn home(config: NodeConfig, store: BTreeMap<Vec<u8>, Vec<u8>>, seconds: u64) -> (Home, Cells) {
    let (cells, mut home) = (Cells::default(), Home::new(config, store, seconds));
    home.node.handle_dataplane(Box::new(cells.clone()));
    (home, cells)
}

/// The card restarts, and the server has answered nothing.
fn restart(home: &mut Home, fpc: u16) {
    home.node.handle_operator(Request::RestartFpc { fpc: FpcId(fpc), policy: None }, home.now).unwrap();
    for _ in 0..600 {
        home.now = home.now + Duration::from_secs(1);
        home.node.handle_timeout(home.now);
        home.carry_out();
    }
    home.requests.clear();
}

const RESTORED: (What, Done) = (What::OnlyThere, Done::Restored);

/// A lost table comes back with line, MAC, IAIDs and the rest of each lease, and what is told again is the same.
#[test]
fn a_lost_table_comes_back() {
    let (mut old, _) = home(config(), BTreeMap::new(), 100);
    let leases = [told(&mut old, 1, 0, 10), told(&mut old, 2, 3, 10)];
    let (mut home, _) = home(config(), BTreeMap::new(), 200);
    assert_eq!(restored(&mut home, &leases), [RESTORED; 4]);
    assert_eq!(home.leases(), [1, 2].into_iter().flat_map(|n| [address(n), delegated(n)]).collect());
    assert_eq!(home.routes, home.leases());
    let view = home.node.lease6(delegated(2)).unwrap();
    assert_eq!((view.line, view.hardware.mac(), view.iaid), (line(3), Some(mac(2)), Some(8)));
    assert_eq!(view.expires, Instant::ZERO + Duration::from_secs(200 + 900));
    assert_eq!(restored(&mut home, &leases), []);
}

/// A server that tells no IAIDs: no REPLY about an IA ends what may be in another, and a renewal names it; what is left without
/// a name is released without one (H-RR-2).
#[test]
fn without_iaids() {
    let (mut old, _) = home(config(), BTreeMap::new(), 100);
    let lease = Told { names: false, ..told(&mut old, 1, 0, 10) };
    let (mut home, _) = home(config(), BTreeMap::new(), 200);
    assert_eq!(restored(&mut home, &[lease]), [RESTORED; 2]);
    let iaids = |home: &Home| [address(1), delegated(1)].map(|prefix| home.node.lease6(prefix).unwrap().iaid);
    assert_eq!(iaids(&home), [None; 2]);
    let sent = home.says(1, mac(1), 0, &ask(1, kind::RENEW, &[address(9)])).unwrap();
    let mut none = Builder::message(kind::REPLY, super::six::XID);
    none.duid(code::CLIENT_ID, duid(1).as_duid()).duid(code::SERVER_ID, duid(0xaa).as_duid());
    for kind in [IaKind::Na, IaKind::Pd] {
        none.ia(kind, 0, [0, 0], |out| {
            out.status(status::NO_BINDING, "");
        });
    }
    home.answers(&sent, &none.finish().unwrap());
    assert_eq!(home.leases(), [address(1), delegated(1)].into());
    let sent = home.says(1, mac(1), 0, &ask(1, kind::RENEW, &[address(1)])).unwrap();
    assert!(home.answers(&sent, &reply(1, &[address(1)], 900)));
    assert_eq!(iaids(&home), [Some(0), None]);
    home.now = home.now + Duration::from_secs(1);
    home.requests.clear();
    home.node.handle_operator(Request::ReleaseClient6 { prefix: delegated(1) }, home.now).unwrap();
    home.carry_out();
    let [request] = &home.requests[..] else { panic!("{:?}", home.requests) };
    let request = ReleaseRequest::parse(request, ReleaseTypes::default()).unwrap();
    let bare = request.clients[0].bare.iter().map(|lease| lease.binding.prefix()).collect::<Vec<_>>();
    assert_eq!((request.clients[0].ias.len(), bare), (1, vec![delegated(1)]));
}

/// H-BR-17: what a logout was to end does not come back and is released with its IAIDs; who was heard of since comes back.
#[test]
fn no_logout_is_undone() {
    let (mut home, _) = home(config(), BTreeMap::new(), 1000);
    let (left, heard) = (told(&mut home, 1, 0, 900), told(&mut home, 2, 0, 5));
    restart(&mut home, 0);
    let asked = Done::CutOff { asked: true };
    let done = restored(&mut home, &[left, heard]);
    assert_eq!(done, [(What::OnlyThere, asked), (What::OnlyThere, asked), RESTORED, RESTORED]);
    assert_eq!(home.leases(), [address(2), delegated(2)].into());
    let [release] = &home.requests[..] else { panic!("{:?}", home.requests) };
    let message = Message::parse(release).unwrap();
    assert_eq!((message.kind(), message.client_id().unwrap()), (kind::RELEASE, Some(duid(1).as_duid())));
    let ias: Vec<_> = message.ias().unwrap();
    let named = ias.iter().flat_map(|ia| ia.leases().map(|lease| (lease.binding.prefix(), ia.iaid)));
    assert_eq!(named.collect::<Vec<_>>(), [(address(1), 7), (delegated(1), 8)]);
}

/// A lease that is here is not given to another client while its holder uses it, or may for all that is known. To another line of
/// the same client it is not given at all, since a server may tell several leases with the line of one; and what comes with
/// such a lease is not believed either.
#[test]
fn a_lease_in_use_stays() {
    let (mut home, cells) = home(config(), BTreeMap::new(), 100);
    assert!(home.log_in_for(1, 0, &[address(1)]));
    home.now = home.now + Duration::from_secs(100);
    let slot = home.node.lease6(address(1)).unwrap().slot;
    let client = Told { leases: vec![(address(1), 7)], ..told(&mut home, 2, 1, 1) };
    let moved = told(&mut home, 1, 1, 1);
    let left = [(What::Line, Done::Left), (What::OnlyThere, Done::Unreadable(Unreadable::Line))];
    assert_eq!(restored(&mut home, &[moved]), left);
    cells.saw(slot, home.now);
    assert_eq!(restored(&mut home, from_ref(&client)), [(What::Client, Done::Refused(Refusal::InUse))]);
    home.node.handle_dataplane(Box::new(crate::seen::Unseen));
    home.now = home.now + Duration::from_secs(100);
    assert_eq!(restored(&mut home, from_ref(&client)), [(What::Client, Done::Left)]);
    assert_eq!(home.node.lease6(address(1)).unwrap().line, line(0));
    home.node.handle_dataplane(Box::new(cells));
    assert_eq!(restored(&mut home, &[client]), [(What::Client, Done::Restored)]);
    assert_eq!(home.node.lease6(address(1)).unwrap().client, duid(2));
}

/// Whoever can write to a server's port can have our Relay-Id and any line and epoch stored there, but not with our check. One of a
/// secret that was lost is believed, for what was stored before there was another; but no epoch that is yet to come (H-BR-8).
#[test]
fn what_others_have_stored() {
    let with = |secret: &[u8], secret_made| {
        let mut config = config();
        let relay = &mut config.v6.as_mut().unwrap().relay;
        (relay.secret, relay.secret_made) = (secret.to_vec(), secret_made);
        config
    };
    let (mut old, _) = home(with(b"lost", 0), BTreeMap::new(), 100);
    let lease = told(&mut old, 1, 0, 50);
    let check = (What::OnlyThere, Done::Unreadable(Unreadable::Check));
    let (mut always, _) = home(with(b"known", 0), BTreeMap::new(), 200);
    assert_eq!(restored(&mut always, from_ref(&lease)), [check; 2], "the secret is no new one");
    let (mut earlier, _) = home(with(b"new", BOOT + 100), BTreeMap::new(), 200);
    assert_eq!(restored(&mut earlier, from_ref(&lease)), [check; 2], "stored since it was made");
    let (mut new, _) = home(with(b"new", BOOT + 200), BTreeMap::new(), 200);
    let epoch = new.node.fpcs.epoch(FpcId(0));
    let mut forged = lease.clone();
    let was = old.node.fpcs.epoch(FpcId(0)).0.to_be_bytes();
    let at = forged.path.windows(4).position(|octets| octets == was).expect("an epoch");
    forged.path[at..at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(restored(&mut new, &[forged]), [(What::OnlyThere, Done::Unreadable(Unreadable::Epoch)); 2]);
    assert_eq!((new.node.fpcs.epoch(FpcId(0)), epoch > Epoch(0)), (epoch, true));
    assert_eq!(restored(&mut new, &[lease]), [RESTORED; 2]);
}
