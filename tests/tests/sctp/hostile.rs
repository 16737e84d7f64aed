//! Frames that no kernel would send: what is not authenticated, or is, and asks for what nobody may have.

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use gateway_core::wire::sctp::{
    Asconf, AsconfAck, Auth, Change, Header, Hmac, Init, Operation, Packet, association_key, chunk, encode, key_vector,
};
use gateway_tests::namespace::Namespace;
use gateway_tests::wait;
use socket2::{Domain, Protocol, Socket, Type};

use crate::pair::{End, LIMIT, Pair, associate, bound, finish, key, on, runtime};

/// How long what must not happen is waited for.
const SILENCE: Duration = Duration::from_millis(200);
/// Octets of an IPv4 header without options.
const IP: usize = 20;

/// Hears every SCTP packet that a host gets, and sends any.
pub(crate) struct Wire(Socket);

impl Wire {
    pub(crate) fn open(space: &Namespace, address: SocketAddr) -> Result<Self> {
        space.run(|| {
            let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::SCTP))?;
            socket.bind(&SocketAddr::new(address.ip(), 0).into())?;
            socket.set_nonblocking(true)?;
            Ok(Self(socket))
        })?
    }

    fn send(&self, to: SocketAddr, packet: &[u8]) -> Result<()> {
        self.0.send_to(packet, &SocketAddr::new(to.ip(), 0).into())?;
        Ok(())
    }

    /// What was heard since, each packet from its common header on.
    pub(crate) fn heard(&self) -> Result<Vec<Vec<u8>>> {
        let (mut packets, mut octets) = (Vec::new(), vec![0; 65536]);
        loop {
            match (&self.0).read(&mut octets) {
                Ok(len) => packets.push(octets[IP..len].to_vec()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(packets),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// What somebody on the wire knows of an association who heard it begin: everything but the shared key.
pub(crate) struct Overheard {
    header: Header,
    pub(crate) sequence: u32,
    pub(crate) key: Vec<u8>,
    /// The association's key if there were no shared one.
    empty: Vec<u8>,
    /// The genuine message that added an address.
    genuine: Vec<u8>,
}

/// The first chunk of a type in what was heard.
pub(crate) fn find<T>(packets: &[Vec<u8>], kind: u8, read: impl Fn(&[u8]) -> Option<T>) -> Option<(Header, T)> {
    packets.iter().find_map(|octets| {
        let packet = Packet::read(octets).ok()?;
        Some((packet.header, read(packet.first(kind)?.value)?))
    })
}

impl Overheard {
    /// From what either host heard; `a` has sent one message.
    fn new(at_a: &[Vec<u8>], at_b: &[Vec<u8>]) -> Result<Self> {
        let init = |value: &[u8]| Init::read(value).ok();
        let (_, a) = find(at_b, chunk::INIT, init).context("no INIT")?;
        let (_, b) = find(at_a, chunk::INIT_ACK, init).context("no INIT-ACK")?;
        assert!(a.supported.changes() && b.supported.changes(), "{a:?}\n{b:?}");
        let (header, message) = find(at_b, chunk::ASCONF, |value| Asconf::read(value).ok()).context("no message")?;
        assert_eq!(
            (header.tag, message.sequence),
            (b.tag, a.tsn),
            "the tag and the first number are those of the start"
        );
        let is_it = |octets: &&Vec<u8>| Packet::read(octets).is_ok_and(|packet| packet.first(chunk::ASCONF).is_some());
        let genuine = at_b.iter().find(is_it).context("no message")?.clone();
        let (ours, theirs) = (key_vector(&a.supported)?, key_vector(&b.supported)?);
        let key = association_key(&key().octets, &ours, &theirs);
        let empty = association_key(b"", &ours, &theirs);
        Ok(Self { header, sequence: message.sequence + 1, key, empty, genuine })
    }

    pub(crate) fn message(&self, changes: &[(Operation, &str)]) -> Result<Asconf> {
        let changes = changes
            .iter()
            .zip(1..)
            .map(|(&(operation, address), id)| Ok(Change { id, operation, address: address.parse()? }));
        Ok(Asconf { sequence: self.sequence, lookup: on(1, 1).ip(), changes: changes.collect::<Result<_>>()? })
    }

    /// The packet with a message, and with its authentication by a key.
    pub(crate) fn packet(&self, message: &Asconf, key: Option<&[u8]>) -> Result<Vec<u8>> {
        Ok(match key {
            None => encode(&self.header, &[message.encode()?]),
            Some(octets) => signed(&self.header, message, octets)?,
        })
    }

    /// The packet with a message that is signed as it should be, of an association whose tag differs in these bits.
    pub(crate) fn tagged(&self, message: &Asconf, bits: u32) -> Result<Vec<u8>> {
        signed(&Header { tag: self.header.tag ^ bits, ..self.header }, message, &self.key)
    }
}

fn key_number() -> u16 {
    key().number
}

fn signed(header: &Header, message: &Asconf, key: &[u8]) -> Result<Vec<u8>> {
    let chunk = message.encode()?;
    let auth = Auth::sign(key_number(), Hmac::Sha256, key, std::slice::from_ref(&chunk));
    Ok(encode(header, &[auth.encode()?, chunk]))
}

/// Two ends with a transfer, an address that was added the right way, and what somebody who heard all of it knows.
pub(crate) struct Scene {
    runtime: tokio::runtime::Runtime,
    near: End,
    pub(crate) far: End,
    at_a: Wire,
    pub(crate) known: Overheard,
    pub(crate) pair: Pair,
}

impl Scene {
    pub(crate) fn set() -> Result<Self> {
        let (pair, runtime) = (Pair::up()?, runtime()?);
        let (at_a, at_b) = (Wire::open(&pair.a, on(1, 1))?, Wire::open(&pair.b, on(1, 2))?);
        let (near, far) = runtime.block_on(async {
            associate(bound(&pair.a, &[on(1, 1)])?, bound(&pair.b, &[on(1, 2)])?, &[on(1, 2)]).await
        })?;
        near.socket().add(on(2, 1))?;
        let added = || far.socket().peers().is_ok_and(|peers| peers.len() == 2);
        wait::until_true("the second address", LIMIT, added)?;
        let known = Overheard::new(&at_a.heard()?, &at_b.heard()?)?;
        let (near, far) = (End::new(&runtime, near), End::new(&runtime, far));
        Ok(Self { runtime, near, far, at_a, known, pair })
    }

    /// Sends it to b as if a had, and lets it work. What b said of it, if anything.
    pub(crate) fn send(&self, packet: &[u8]) -> Result<Option<AsconfAck>> {
        Self::send_from(&self.at_a, packet)
    }

    /// The same from another of a's addresses.
    pub(crate) fn send_from(wire: &Wire, packet: &[u8]) -> Result<Option<AsconfAck>> {
        wire.heard()?;
        wire.send(on(1, 2), packet)?;
        let said = |packets: Vec<Vec<u8>>| find(&packets, chunk::ASCONF_ACK, |value| AsconfAck::read(value).ok());
        let answer = wait::until("an answer", SILENCE, || said(wire.heard().ok()?));
        Ok(answer.ok().map(|(_, ack)| ack))
    }

    /// b knows the two addresses that a has, and sends to the first.
    pub(crate) fn unchanged(&self, what: &str) {
        let before: Vec<IpAddr> = vec![on(1, 1).ip(), on(2, 1).ip()];
        assert_eq!(self.far.peers(), before, "{what}");
        assert_eq!(self.far.primary(), Some(before[0]), "{what}");
    }

    /// The transfer goes on, and ends with every octet in its place.
    pub(crate) fn finish(self) -> Result<()> {
        self.near.wait_more(50_000)?;
        self.far.wait_more(50_000)?;
        finish(&self.runtime, [self.near, self.far]).map(drop)
    }
}

/// A message without authentication, by another key, changed after it was signed, or of another association changes nothing
/// and gets no answer; nor does the genuine one, said once more: it is answered as before. SC-6, H-SC-1, H-SC-6
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn who_does_not_have_the_key_changes_nothing() -> Result<()> {
    let scene = Scene::set()?;
    let known = &scene.known;
    let steal = known.message(&[(Operation::Add, "10.0.3.1"), (Operation::Primary, "10.0.3.1")])?;
    assert_eq!(scene.send(&known.packet(&steal, None)?)?, None);
    scene.unchanged("without authentication");
    assert_eq!(scene.send(&known.packet(&steal, Some(b"another key"))?)?, None);
    scene.unchanged("by another key");
    let auth = Auth::sign(0, Hmac::Sha256, &known.empty, &[steal.encode()?]);
    assert_eq!(scene.send(&encode(&known.header, &[auth.encode()?, steal.encode()?]))?, None);
    scene.unchanged("by the empty key, which everybody knows who heard the start");
    let delete = known.message(&[(Operation::Delete, "10.0.2.1")])?;
    let auth = Auth::sign(key_number(), Hmac::Sha256, &known.key, &[delete.encode()?]);
    assert_eq!(scene.send(&encode(&known.header, &[auth.encode()?, steal.encode()?]))?, None);
    scene.unchanged("changed after it was signed");
    assert_eq!(scene.send(&known.tagged(&delete, 1)?)?, None);
    scene.unchanged("with another tag");
    let again = scene.send(&known.genuine)?.context("a message that was answered is answered again")?;
    assert_eq!((again.sequence, again.responses), (known.sequence - 1, Vec::new()));
    scene.unchanged("a replay");
    scene.finish()
}

/// Who has the key is refused a multicast, broadcast and unknown address, and to delete the address that the message comes from;
/// what is not refused in the same place is done, in its order: nothing is primary before it was added.
/// SC-14, SC-15, SC-16, SC-18, SC-19, SC-25, H-SC-11
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn what_nobody_may_have_is_refused() -> Result<()> {
    /// Changes that are asked for, and whether each is done.
    type Row = (&'static [(Operation, &'static str)], &'static [bool]);
    let cases: [Row; 6] = [
        (&[(Operation::Add, "10.0.3.1"), (Operation::Primary, "10.0.3.1")], &[true, true]),
        (&[(Operation::Primary, "10.0.3.1"), (Operation::Add, "10.0.3.1")], &[false, true]),
        (&[(Operation::Add, "224.0.0.5"), (Operation::Add, "255.255.255.255")], &[false, false]),
        (&[(Operation::Primary, "10.0.3.1")], &[false]),
        (&[(Operation::Delete, "10.0.1.1")], &[false]),
        (&[(Operation::Delete, "10.0.2.1"), (Operation::Delete, "10.0.1.1")], &[true, false]),
    ];
    for (changes, wanted) in cases {
        // An answer that the real sender did not ask for ends its association: each case has one of its own.
        let scene = Scene::set()?;
        let message = scene.known.message(changes)?;
        let ack = scene.send(&scene.known.packet(&message, Some(&scene.known.key))?)?;
        let ack = ack.with_context(|| format!("{changes:?}"))?;
        assert_eq!(ack.sequence, scene.known.sequence);
        let applied: Vec<_> = message.changes.iter().map(|change| ack.applied(&message, change.id)).collect();
        assert_eq!(applied, wanted, "{changes:?}: {ack:?}");
    }
    Ok(())
}

/// A message whose number is not the next one is not processed (H-SC-13).
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn a_number_that_is_not_due_is_discarded() -> Result<()> {
    let scene = Scene::set()?;
    for ahead in [1, 1000, 1 << 31] {
        let sequence = scene.known.sequence.wrapping_add(ahead);
        let message = Asconf { sequence, ..scene.known.message(&[(Operation::Delete, "10.0.2.1")])? };
        assert_eq!(scene.send(&scene.known.packet(&message, Some(&scene.known.key))?)?, None, "{ahead} ahead");
        scene.unchanged("a number that is not due");
    }
    scene.finish()
}

/// An acknowledgement of what was never sent ends the association: somebody else has the key. H-SC-13
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn an_acknowledgement_of_nothing_ends_it() -> Result<()> {
    let scene = Scene::set()?;
    let message = scene.known.message(&[(Operation::Delete, "10.0.2.1")])?;
    scene.send(&scene.known.packet(&message, Some(&scene.known.key))?)?;
    wait::until_true("the end", LIMIT, || scene.near.id().is_err() && scene.far.id().is_err())
}
