//! Associations whose addresses follow those of their hosts, as members' streams do.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use gateway_core::association::{AssociationConfig, AssociationView, Hysteresis, Policy};
use gateway_tests::link::veth;
use gateway_tests::namespace::Namespace;
use gateway_tests::wait;
use gateway_user::sctp::{Association, Follower, Key, Links, Listener, Locals, Socket, Timing};
use tokio::sync::watch;

use crate::pair::{LIMIT, PORT, Pair, Progress, associate, on, runtime, socket, sorted, transfer};

/// What cannot wait in a test waits shorter than in earnest.
fn config() -> AssociationConfig {
    let [t_up, t_down, hold_down] = [500, 1500, 1000].map(Duration::from_millis);
    let [proof, answer] = [1500, 1000].map(Duration::from_millis);
    AssociationConfig {
        proof,
        answer,
        hysteresis: Hysteresis { t_up, t_down, hold_down, ..Hysteresis::default() },
        policy: Policy { allowed: vec!["10.0.0.0/8".parse().expect("a prefix")] },
        ..AssociationConfig::default()
    }
}

/// What a host's thread gives the test.
struct Known {
    socket: Arc<Socket>,
    view: watch::Receiver<AssociationView>,
}

/// A host that has one end, in a thread that is in its namespace.
struct Host {
    known: Known,
    events: Arc<Mutex<Vec<String>>>,
    progress: Arc<Progress>,
    thread: JoinHandle<Result<()>>,
}

/// What is common to both ends of an association.
struct End {
    space: Arc<Namespace>,
    /// `a` or `b`, which its cards are called after.
    role: &'static str,
    /// Whether it listens, and says so, or waits for who does.
    ready: Ready,
}

enum Ready {
    Listens(Sender<()>),
    Waits(Receiver<()>),
}

impl End {
    fn begin(self) -> Result<Host> {
        let (tell, told) = channel();
        let (events, progress) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Progress>::default());
        let (log, shared) = (Arc::clone(&events), Arc::clone(&progress));
        let thread = thread::spawn(move || {
            self.space.enter()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(self.serve(&tell, &log, &shared))
        });
        let known = match told.recv_timeout(LIMIT) {
            Ok(known) => known,
            Err(_) => match thread.join() {
                Ok(result) => bail!("no association: {result:?}"),
                Err(panic) => std::panic::resume_unwind(panic),
            },
        };
        Ok(Host { known, events, progress, thread })
    }

    async fn serve(self, tell: &Sender<Known>, events: &Arc<Mutex<Vec<String>>>, progress: &Progress) -> Result<()> {
        let links = Links { interfaces: (1..=3).map(|link| format!("{}{link}", self.role)).collect(), without: vec![] };
        let locals = links.follow()?;
        let mut association = match self.ready {
            Ready::Listens(ready) => listen(&locals, &ready).await?,
            Ready::Waits(ready) => {
                ready.recv_timeout(LIMIT)?;
                let socket = bound(&locals, 0, false)?;
                Association::connect(socket, &[on(1, 2)]).await?
            }
        };
        let (socket, changes) = (Arc::clone(association.socket()), association.changes().context("taken")?);
        let follower = Follower::new(Arc::clone(&socket), changes, locals, config())?;
        tell.send(Known { socket, view: follower.view() })?;
        let events = Arc::clone(events);
        let follow = follower.run(move |event| events.lock().unwrap().push(event.to_string()));
        tokio::select! {
            result = transfer(association, progress) => Ok(result?),
            error = follow => bail!("it is followed no more: {error}"),
        }
    }
}

/// The listener lives as long as the association, as it does in a gateway, and follows addresses as well.
async fn listen(locals: &watch::Receiver<Locals>, ready: &Sender<()>) -> Result<Association> {
    let socket = bound(locals, PORT, true)?;
    socket.listen(4)?;
    let listener = Listener::new(socket)?;
    ready.send(())?;
    let association = listener.accept().await?.0;
    let mut locals = locals.clone();
    tokio::spawn(async move {
        while locals.changed().await.is_ok() {
            let now: Vec<_> = locals.borrow_and_update().addresses().collect();
            let have = sorted(&listener.socket().own().unwrap_or_default());
            for address in now.iter().filter(|address| !have.contains(address)) {
                listener.socket().add((*address, PORT).into()).expect("an address that others are bound to as well");
            }
        }
    });
    Ok(association)
}

fn bound(locals: &watch::Receiver<Locals>, port: u16, shared: bool) -> Result<Socket> {
    let addresses: Vec<_> = locals.borrow().addresses().map(|ip| (ip, port).into()).collect();
    let socket = socket()?;
    if shared {
        socket.share_port()?;
    }
    socket.bind(&addresses)?;
    Ok(socket)
}

impl Host {
    /// The peer's addresses that answer, as the kernel has them.
    fn peers(&self) -> Vec<String> {
        sorted(&self.known.socket.peers().unwrap_or_default()).iter().map(ToString::to_string).collect()
    }

    fn id(&self) -> Result<u32> {
        Ok(self.known.socket.status()?.id)
    }

    fn told(&self) -> String {
        self.events.lock().unwrap().join("; ")
    }

    fn wait_more(&self, octets: u64) -> Result<()> {
        let wanted = self.progress.octets() + octets;
        let is_over = || self.progress.octets() >= wanted || self.thread.is_finished();
        wait::until_true("more octets", LIMIT, is_over).with_context(|| self.told())?;
        ensure!(self.progress.octets() >= wanted, "the transfer has ended; {}", self.told());
        Ok(())
    }
}

/// Two hosts with two links, and an association that follows both hosts' addresses.
struct Moving {
    pair: Pair,
    a: Host,
    b: Host,
    ids: (u32, u32),
}

impl Moving {
    fn begin() -> Result<Self> {
        let pair = Pair::up()?;
        pair.a.ip("link delete a3")?;
        // Of two addresses of one network the second stays when the first goes.
        for space in [&pair.a, &pair.b] {
            space.sysctl("net.ipv4.conf.all.promote_secondaries", "1")?;
        }
        let (ready, waits) = channel();
        let (space, role) = (Arc::clone(&pair.b), "b");
        // It gives back its end when there is an association: each in a thread of its own.
        let b = thread::spawn(move || End { space, role, ready: Ready::Listens(ready) }.begin());
        let a = End { space: Arc::clone(&pair.a), role: "a", ready: Ready::Waits(waits) }.begin()?;
        let b = b.join().expect("it does not panic")?;
        let ids = (a.id()?, b.id()?);
        let moving = Self { pair, a, b, ids };
        moving.goes_on("at the start", &["10.0.1.1", "10.0.2.1"], &["10.0.1.2", "10.0.2.2"])?;
        Ok(moving)
    }

    /// Both ends have these addresses of a and of b, it is the same association, and octets arrive.
    fn goes_on(&self, what: &str, of_a: &[&str], of_b: &[&str]) -> Result<()> {
        for (host, wanted) in [(&self.b, of_a), (&self.a, of_b)] {
            wait::until_true(&format!("{what}: {wanted:?}"), LIMIT, || host.peers() == wanted)
                .with_context(|| format!("{:?}; a: {}; b: {}", host.peers(), self.a.told(), self.b.told()))?;
        }
        self.a.wait_more(100_000).context(what.to_owned())?;
        self.b.wait_more(100_000).context(what.to_owned())?;
        let rto = self.a.known.socket.status()?.primary.map(|path| path.rto);
        let gaps = [self.a.progress.take_gap(), self.b.progress.take_gap()];
        println!("{what}: nothing arrived for {gaps:?}; the RTO is {rto:?}");
        assert_eq!((self.a.id()?, self.b.id()?), self.ids, "{what}: it is the same association");
        assert!(gaps.iter().all(|gap| *gap < Duration::from_secs(8)), "{what}: {gaps:?}");
        Ok(())
    }

    /// A new card on both hosts, with addresses of this network.
    fn plug(&self, link: u8, network: u8) -> Result<()> {
        veth((&self.pair.a, &format!("a{link}")), (&self.pair.b, &format!("b{link}")))?;
        self.pair.a.ip(&format!("addr add 10.0.{network}.1/24 dev a{link}"))?;
        self.pair.b.ip(&format!("addr add 10.0.{network}.2/24 dev b{link}")).map(drop)
    }

    /// Both stop sending, and all has arrived in order.
    fn finish(self) -> Result<()> {
        for host in [&self.a, &self.b] {
            host.progress.stop();
        }
        for host in [self.a, self.b] {
            println!("{} octets arrived in order; {}", host.progress.octets(), host.events.lock().unwrap().join("; "));
            host.thread.join().expect("it does not panic")?;
        }
        Ok(())
    }
}

/// Cards come, are given other addresses, go and are replaced, one after another, that of the primary path too, while both ends
/// send all the time: the association is the same, all octets arrive in order, and both ends end up with the addresses that
/// there are. The one that listens shares its port with the association.
/// SC-8, SC-9, SC-10, SC-11, SC-12, SC-13, SC-16, SC-20, SC-21, SC-22, SC-23, SC-26, SC-27, SC-40, H-SC-5, H-SC-8, H-SC-9
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn links_change_one_after_another() -> Result<()> {
    let moving = Moving::begin()?;
    let (a, b) = (&moving.pair.a, &moving.pair.b);
    moving.plug(3, 3)?;
    let (of_a, of_b) = (["10.0.1.1", "10.0.2.1", "10.0.3.1"], ["10.0.1.2", "10.0.2.2", "10.0.3.2"]);
    moving.goes_on("a card plugged in", &of_a, &of_b)?;

    a.ip("addr add 10.0.3.77/24 dev a3")?;
    a.ip("addr del 10.0.3.1/24 dev a3")?;
    moving.goes_on("another address on a card", &["10.0.1.1", "10.0.2.1", "10.0.3.77"], &of_b)?;

    // The other end goes with it: both move at once.
    a.ip("link delete a1")?;
    moving.goes_on("the first link gone", &["10.0.2.1", "10.0.3.77"], &["10.0.2.2", "10.0.3.2"])?;

    moving.plug(1, 4)?;
    moving.goes_on("it is replaced", &["10.0.2.1", "10.0.3.77", "10.0.4.1"], &["10.0.2.2", "10.0.3.2", "10.0.4.2"])?;

    b.ip("link set b2 down")?;
    moving.goes_on("a link goes dark", &["10.0.3.77", "10.0.4.1"], &["10.0.3.2", "10.0.4.2"])?;

    b.ip("link set b2 up")?;
    moving.goes_on("and is back", &["10.0.2.1", "10.0.3.77", "10.0.4.1"], &["10.0.2.2", "10.0.3.2", "10.0.4.2"])?;
    moving.finish()
}

/// What is seen of it: both ends' addresses, one of them primary, none unused, the last change.
/// SC-7
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn what_is_seen() -> Result<()> {
    let moving = Moving::begin()?;
    moving.plug(3, 3)?;
    let confirmed = |host: &Host| {
        let view = host.known.view.borrow();
        view.locals.len() == 3 && view.peers.len() == 3 && view.locals.iter().all(|local| local.confirmed)
    };
    for host in [&moving.a, &moving.b] {
        wait::until_true("three confirmed addresses", LIMIT, || confirmed(host)).with_context(|| host.told())?;
        let view = host.known.view.borrow().clone();
        assert!(view.capability.is_some_and(|capability| capability.extends()));
        assert_eq!(view.peers.iter().filter(|peer| peer.primary).count(), 1, "{view:?}");
        assert!(view.peers.iter().all(|peer| peer.interface.is_some() && peer.refusal.is_none()), "{view:?}");
        assert!(host.told().contains(": it came"), "{}", host.told());
    }
    moving.finish()
}

/// Ends that have keys of their own change nothing at each other, and do once they have one in common. Others' associations
/// are not theirs. H-SC-1
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn only_who_has_the_key_changes_addresses() -> Result<()> {
    let (pair, runtime) = (Pair::up()?, runtime()?);
    let own = |space: &Namespace, octets: &[u8], host| {
        space.run(|| -> Result<_> {
            let socket = Socket::new(false)?;
            socket.protect(&Key { number: 1, octets: octets.to_vec() })?;
            socket.time(&Timing { misses: 40, ..Timing::default() })?;
            socket.bind(&[on(1, host)])?;
            Ok(socket)
        })?
    };
    let begin = || -> Result<(Association, Association)> {
        let (from, at) = (own(&pair.a, b"one end alone", 1)?, own(&pair.b, b"and the other", 2)?);
        runtime.block_on(associate(from, at, &[on(1, 2)]))
    };
    let (near, far) = begin()?;
    assert!(near.socket().can_change());
    near.socket().add(on(2, 1))?;
    thread::sleep(Duration::from_secs(2));
    assert_eq!(sorted(&far.socket().peers()?), [on(1, 1).ip()], "the peer can't have believed that");
    drop((near, far));

    let (near, far) = begin()?;
    let common = Key { number: 2, octets: b"made by both".to_vec() };
    near.socket().rekey(&common, 1)?;
    near.socket().add(on(2, 1))?;
    // Until the other end has it, too, it does not understand.
    far.socket().rekey(&common, 1)?;
    let both = || far.socket().peers().is_ok_and(|peers| sorted(&peers) == [on(1, 1).ip(), on(2, 1).ip()]);
    wait::until_true("the added address", LIMIT, both)
}
