//! Two hosts with several links between them, and associations between hosts.
//!
//! A socket is of the network namespace that it was made in, whoever uses it: so one runtime serves both ends.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use gateway_tests::lab::unique;
use gateway_tests::link::veth;
use gateway_tests::namespace::Namespace;
use gateway_tests::wait;
use gateway_user::sctp::{Association, Key, Listener, Socket, Timing};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::transfer::{Progress, transfer};

/// How long anything may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
/// The port of both ends.
pub(crate) const PORT: u16 = 7000;

/// Two hosts.
pub(crate) struct Pair {
    pub(crate) a: Arc<Namespace>,
    pub(crate) b: Arc<Namespace>,
}

/// The address on a link of host a (1) or b (2).
pub(crate) fn on(link: u8, host: u8) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(10, 0, link, host), PORT))
}

impl Pair {
    /// With links 1 to 3: `a1` to `b1` and so on, 10.0.LINK.1 and .2.
    pub(crate) fn up() -> Result<Self> {
        let name = unique();
        let space = |role: &str| Namespace::create(&format!("{name}-{role}")).map(Arc::new);
        let pair = Self { a: space("a")?, b: space("b")? };
        for link in 1..=3 {
            veth((&pair.a, &format!("a{link}")), (&pair.b, &format!("b{link}")))?;
            for (space, host, number) in [(&pair.a, "a", 1), (&pair.b, "b", 2)] {
                space.sysctl("net.ipv4.conf.all.rp_filter", "0")?;
                space.ip(&format!("addr add 10.0.{link}.{number}/24 dev {host}{link}"))?;
            }
        }
        Ok(pair)
    }
}

/// The key of all these associations.
pub(crate) fn key() -> Key {
    Key { number: 1, octets: b"a key that both ends have".to_vec() }
}

/// A socket with the key, and with patience.
pub(crate) fn socket() -> std::io::Result<Socket> {
    let socket = Socket::new(false)?;
    socket.protect(&key())?;
    socket.time(&Timing { path_misses: 4, misses: 40, ..Timing::default() })?;
    Ok(socket)
}

/// A runtime for both ends.
pub(crate) fn runtime() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// A socket of a host with these addresses.
pub(crate) fn bound(space: &Namespace, addresses: &[SocketAddr]) -> Result<Socket> {
    space.run(|| -> Result<_> {
        let socket = socket()?;
        socket.bind(addresses).with_context(|| format!("bind to {addresses:?}"))?;
        Ok(socket)
    })?
}

/// An association from a socket to one that listens at these addresses.
pub(crate) async fn associate(from: Socket, at: Socket, to: &[SocketAddr]) -> Result<(Association, Association)> {
    at.listen(4)?;
    let listener = Listener::new(at)?;
    let (near, far) = tokio::try_join!(Association::connect(from, to), listener.accept())?;
    Ok((near, far.0))
}

/// One end of an association: its socket, for changes, and a transfer that runs on it.
pub(crate) struct End {
    pub(crate) socket: Arc<Socket>,
    pub(crate) progress: Arc<Progress>,
    transfer: JoinHandle<std::io::Result<()>>,
}

impl End {
    pub(crate) fn new(runtime: &Runtime, association: Association) -> Self {
        let (socket, progress) = (Arc::clone(association.socket()), Arc::<Progress>::default());
        let shared = Arc::clone(&progress);
        let transfer = runtime.spawn(async move { transfer(association, &shared).await });
        Self { socket, progress, transfer }
    }

    /// What the kernel calls the association.
    pub(crate) fn id(&self) -> Result<u32> {
        Ok(self.socket.status()?.id)
    }

    /// The peer's addresses, sorted.
    pub(crate) fn peers(&self) -> Vec<IpAddr> {
        sorted(&self.socket.peers().unwrap_or_default())
    }

    /// Where data is sent.
    pub(crate) fn primary(&self) -> Option<IpAddr> {
        Some(self.socket.status().ok()?.primary?.address.ip())
    }

    /// Waits until `octets` more have arrived.
    pub(crate) fn wait_more(&self, octets: u64) -> Result<()> {
        let wanted = self.progress.octets() + octets;
        let is_over = || self.progress.octets() >= wanted || self.transfer.is_finished();
        wait::until_true("more octets", LIMIT, is_over)?;
        if self.progress.octets() < wanted {
            bail!("the transfer has ended");
        }
        Ok(())
    }
}

pub(crate) fn sorted(addresses: &[SocketAddr]) -> Vec<IpAddr> {
    let mut addresses: Vec<_> = addresses.iter().map(SocketAddr::ip).collect();
    addresses.sort_unstable();
    addresses
}

/// Both ends stop sending, and all that was sent arrives in order. How many octets each has received.
pub(crate) fn finish(runtime: &Runtime, ends: [End; 2]) -> Result<[u64; 2]> {
    ends.iter().for_each(|end| end.progress.stop());
    let mut octets = [0; 2];
    for (end, octets) in ends.into_iter().zip(&mut octets) {
        runtime.block_on(async { timeout(LIMIT, end.transfer).await })???;
        *octets = end.progress.octets();
    }
    Ok(octets)
}
