//! Two hosts, each with one end of an association whose addresses follow the host's, as a member's stream does.

use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use gateway_core::association::{AssociationConfig, AssociationView, Hysteresis, Policy};
use gateway_tests::link::veth;
use gateway_tests::namespace::Namespace;
use gateway_tests::{process, wait};
use gateway_user::sctp::{Association, Follower, Links, Listener, Locals, Socket};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::pair::{LIMIT, PORT, Pair, on, sorted};

/// How long what had arrived at the end of an association may take to be read.
const LAST_WORDS: Duration = Duration::from_secs(1);

static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// When something happened, beside what happened at the other end.
fn since_began() -> String {
    format!("{:.1?}", BEGAN.elapsed())
}

/// A better path waits shorter than in earnest, so that more happens. One that is silent is given up no sooner: an emulated
/// machine stands still for a second now and then, on all its paths, and none of them is faded by that.
fn config(home: Option<IpAddr>) -> AssociationConfig {
    let [t_up, hold_down] = [500, 1000].map(Duration::from_millis);
    AssociationConfig {
        home,
        hysteresis: Hysteresis { t_up, hold_down, ..Hysteresis::default() },
        policy: Policy { allowed: vec!["10.0.0.0/8".parse().expect("a prefix")] },
        ..AssociationConfig::default()
    }
}

/// What runs on an association until it is told to stop, and what it and who looks at it share.
pub(crate) trait Traffic: Default + Send + Sync + 'static {
    /// Runs until both ends have stopped.
    fn run(&self, association: Association) -> impl Future<Output = Result<()>>;
    /// Sends nothing new from now on.
    fn stop(&self);
    /// How much of it has arrived.
    fn arrived(&self) -> u64;
}

/// A host that has one end, in a thread that is in its namespace.
pub(crate) struct Host<T> {
    /// The association's.
    pub(crate) socket: Arc<Socket>,
    /// What is seen of it.
    pub(crate) view: watch::Receiver<AssociationView>,
    /// What runs on it.
    pub(crate) traffic: Arc<T>,
    events: Arc<Mutex<Vec<String>>>,
    thread: JoinHandle<Result<()>>,
}

/// What one end begins with.
struct End {
    space: Arc<Namespace>,
    /// `a` or `b`, which its cards are called after.
    role: &'static str,
    /// Where it is found wherever it is, if anywhere.
    home: Option<IpAddr>,
    /// Makes a socket, as it is before it is bound.
    socket: fn() -> std::io::Result<Socket>,
    /// Whether it listens, and says so, or waits for who does.
    ready: Ready,
}

enum Ready {
    Listens(Sender<()>),
    /// And begins an association with this address.
    Waits(Receiver<()>, SocketAddr),
}

type Known = (Arc<Socket>, watch::Receiver<AssociationView>);

impl End {
    fn begin<T: Traffic>(self) -> Result<Host<T>> {
        let (tell, told) = channel();
        let (events, traffic) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<T>::default());
        let (log, shared) = (Arc::clone(&events), Arc::clone(&traffic));
        let thread = thread::spawn(move || {
            self.space.enter()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let served = runtime.block_on(self.serve(&tell, &log, &*shared));
            if let Err(error) = &served {
                log.lock().unwrap().push(format!("{} ended: {error:#}", since_began()));
            }
            served
        });
        let (socket, view) = match told.recv_timeout(LIMIT) {
            Ok(known) => known,
            Err(_) => match thread.join() {
                Ok(result) => bail!("no association: {result:?}"),
                Err(panic) => std::panic::resume_unwind(panic),
            },
        };
        Ok(Host { socket, view, traffic, events, thread })
    }

    async fn serve(self, tell: &Sender<Known>, log: &Arc<Mutex<Vec<String>>>, traffic: &impl Traffic) -> Result<()> {
        let links = Links { interfaces: (1..=4).map(|link| format!("{}{link}", self.role)).collect(), without: vec![] };
        let locals = links.follow()?;
        let mut association = match self.ready {
            Ready::Listens(ready) => {
                let socket = (self.socket)()?;
                socket.share_port()?;
                bind(&socket, &locals, PORT)?;
                listen(socket, &locals, &ready).await?
            }
            Ready::Waits(ready, to) => {
                ready.recv_timeout(LIMIT)?;
                let socket = (self.socket)()?;
                bind(&socket, &locals, 0)?;
                Association::connect(socket, &[to]).await?
            }
        };
        let (socket, changes) = (Arc::clone(association.socket()), association.changes().context("taken")?);
        let follower = Follower::new(Arc::clone(&socket), changes, locals, config(self.home))?;
        tell.send((socket, follower.view()))?;
        let log = Arc::clone(log);
        let follow = follower.run(move |event| log.lock().unwrap().push(format!("{} {event}", since_began())));
        let mut run = pin!(traffic.run(association));
        tokio::select! {
            result = &mut run => result,
            // The other end may have been done first: then all that it has sent is here.
            error = follow => match timeout(wait::scaled(LAST_WORDS), run).await {
                Ok(Ok(())) => Ok(()),
                _ => bail!("it is followed no more: {error}"),
            }
        }
    }
}

fn bind(socket: &Socket, locals: &watch::Receiver<Locals>, port: u16) -> Result<()> {
    let addresses: Vec<_> = locals.borrow().addresses().map(|ip| (ip, port).into()).collect();
    Ok(socket.bind(&addresses)?)
}

/// The listener lives as long as the association, as it does in a gateway, and follows addresses as well.
async fn listen(socket: Socket, locals: &watch::Receiver<Locals>, ready: &Sender<()>) -> Result<Association> {
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

impl<T: Traffic> Host<T> {
    /// The peer's addresses, as the kernel has them.
    pub(crate) fn peers(&self) -> Vec<String> {
        sorted(&self.socket.peers().unwrap_or_default()).iter().map(ToString::to_string).collect()
    }

    /// What the kernel calls the association.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn id(&self) -> Result<u32> {
        Ok(self.socket.status()?.id)
    }

    /// What the address manager has told.
    pub(crate) fn told(&self) -> String {
        self.events.lock().unwrap().join("; ")
    }

    /// Waits until so much more has arrived.
    ///
    /// # Errors
    /// It has not in time, or the traffic has ended.
    pub(crate) fn wait_more(&self, wanted: u64) -> Result<()> {
        let wanted = self.traffic.arrived() + wanted;
        let is_over = || self.traffic.arrived() >= wanted || self.thread.is_finished();
        wait::until_true("more to arrive", LIMIT, is_over).with_context(|| self.told())?;
        anyhow::ensure!(self.traffic.arrived() >= wanted, "the traffic has ended; {}", self.told());
        Ok(())
    }
}

/// Two hosts with two links, and an association that follows both hosts' addresses.
pub(crate) struct Moving<T> {
    /// Their namespaces.
    pub(crate) pair: Pair,
    /// The one that has begun the association.
    pub(crate) a: Host<T>,
    /// The one that listens: it shares its port with the association.
    pub(crate) b: Host<T>,
    ids: (u32, u32),
}

impl<T: Traffic> Moving<T> {
    /// With two links, 1 and 2.
    pub(crate) fn begin(socket: fn() -> std::io::Result<Socket>) -> Result<Self> {
        Self::toward(on(1, 2), None, socket)
    }

    /// The same: a begins the association with this address of b, which may have a home.
    pub(crate) fn toward(
        to: SocketAddr,
        home: Option<IpAddr>,
        socket: fn() -> std::io::Result<Socket>,
    ) -> Result<Self> {
        let pair = Pair::up()?;
        pair.a.ip("link delete a3")?;
        // Of two addresses of one network the second stays when the first goes.
        for space in [&pair.a, &pair.b] {
            space.sysctl("net.ipv4.conf.all.promote_secondaries", "1")?;
        }
        let (ready, waits) = channel();
        let (space, role) = (Arc::clone(&pair.b), "b");
        // It gives back its end when there is an association: each in a thread of its own.
        let b = thread::spawn(move || End { space, role, home, socket, ready: Ready::Listens(ready) }.begin());
        let (space, role, ready) = (Arc::clone(&pair.a), "a", Ready::Waits(waits, to));
        let a = End { space, role, home: None, socket, ready }.begin()?;
        let b = b.join().expect("it does not panic")?;
        let ids = (a.id()?, b.id()?);
        Ok(Self { pair, a, b, ids })
    }

    /// What both ends have, and what was told of it.
    pub(crate) fn told(&self) -> String {
        let of = |host: &Host<T>, space: &Namespace| {
            let (view, arrived) = (host.view.borrow().clone(), host.traffic.arrived());
            let queues =
                process::output(space.command("cat").args(["/proc/net/sctp/assocs", "/proc/net/sctp/remaddr"]));
            let queues = queues.unwrap_or_else(|error| error.to_string());
            format!("{arrived} arrived; {view:?}, of the peer {:?}; {}\n{queues}", host.peers(), host.told())
        };
        format!("a: {}\nb: {}", of(&self.a, &self.pair.a), of(&self.b, &self.pair.b))
    }

    /// Waits for something of both ends, while they live.
    ///
    /// # Errors
    /// It did not come in time, or one has ended.
    pub(crate) fn wait(&self, what: &str, is_so: impl Fn(&Host<T>) -> bool) -> Result<()> {
        let hosts = [&self.a, &self.b];
        let is_over = || hosts.iter().any(|host| host.thread.is_finished());
        wait::until_true(what, LIMIT, || is_over() || hosts.iter().all(|host| is_so(host)))
            .with_context(|| self.told())?;
        anyhow::ensure!(!is_over(), "{what}: an end has ended; {}", self.told());
        Ok(())
    }

    /// Waits until both ends have these addresses of a and of b. It is the same association.
    pub(crate) fn wait_addresses<S: AsRef<str> + Debug>(&self, what: &str, of_a: &[S], of_b: &[S]) -> Result<()> {
        let (of_a, of_b): (Vec<_>, Vec<_>) =
            (of_a.iter().map(AsRef::as_ref).collect(), of_b.iter().map(AsRef::as_ref).collect());
        let is_b = |host: &Host<T>| std::ptr::eq(host, &raw const self.b);
        self.wait(&format!("{what}: {of_a:?} and {of_b:?}"), |host| {
            host.peers() == *if is_b(host) { &of_a } else { &of_b }
        })?;
        assert_eq!((self.a.id()?, self.b.id()?), self.ids, "{what}: it is the same association");
        Ok(())
    }

    /// A new card on both hosts, with addresses of this network.
    pub(crate) fn plug(&self, link: u8, network: u8) -> Result<()> {
        veth((&self.pair.a, &format!("a{link}")), (&self.pair.b, &format!("b{link}")))?;
        self.pair.a.ip(&format!("addr add 10.0.{network}.1/24 dev a{link}"))?;
        self.pair.b.ip(&format!("addr add 10.0.{network}.2/24 dev b{link}")).map(drop)
    }

    /// Both stop sending, and all has arrived in order: how much at a and at b.
    pub(crate) fn finish(self) -> Result<[u64; 2]> {
        for host in [&self.a, &self.b] {
            host.traffic.stop();
        }
        let mut arrived = [0; 2];
        for (host, arrived) in [self.a, self.b].into_iter().zip(&mut arrived) {
            println!("{}", host.told());
            host.thread.join().expect("it does not panic")?;
            *arrived = host.traffic.arrived();
        }
        Ok(arrived)
    }
}
