//! One end of an association, with a transfer on it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use gateway_user::sctp::{Association, Key, Listener, Socket, Timing};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::transfer::{Progress, transfer};
use crate::namespace::Namespace;
use crate::wait;

/// How long anything may take.
pub const LIMIT: Duration = Duration::from_secs(20);
/// The port of both ends.
pub const PORT: u16 = 7000;

/// The key of all these associations.
pub fn key() -> Key {
    Key { number: 1, octets: b"a key that both ends have".to_vec() }
}

/// A socket with the key, and with patience.
///
/// # Errors
/// The kernel has no SCTP.
pub fn socket() -> std::io::Result<Socket> {
    let socket = Socket::new(false)?;
    socket.protect(&key())?;
    socket.time(&Timing { path_misses: 4, misses: 40, ..Timing::default() })?;
    Ok(socket)
}

/// A runtime for both ends.
///
/// # Errors
/// No threads are to be had.
pub fn runtime() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// A socket of a host with these addresses.
///
/// # Errors
/// One is not the host's.
pub fn bound(space: &Namespace, addresses: &[SocketAddr]) -> Result<Socket> {
    space.run(|| -> Result<_> {
        let socket = socket()?;
        socket.bind(addresses).with_context(|| format!("bind to {addresses:?}"))?;
        Ok(socket)
    })?
}

/// An association from a socket to one that listens at these addresses.
///
/// # Errors
/// Nobody answers.
pub async fn associate(from: Socket, at: Socket, to: &[SocketAddr]) -> Result<(Association, Association)> {
    at.listen(4)?;
    let listener = Listener::new(at)?;
    let (near, far) = tokio::try_join!(Association::connect(from, to), listener.accept())?;
    Ok((near, far.0))
}

/// One end of an association: its socket, for changes, and a transfer that runs on it.
pub struct End {
    /// The socket.
    pub socket: Arc<Socket>,
    /// How far the transfer is.
    pub progress: Arc<Progress>,
    transfer: JoinHandle<std::io::Result<()>>,
}

impl End {
    /// Begins to send, and to check what is received.
    pub fn new(runtime: &Runtime, association: Association) -> Self {
        let (socket, progress) = (Arc::clone(association.socket()), Arc::<Progress>::default());
        let shared = Arc::clone(&progress);
        let transfer = runtime.spawn(async move { transfer(association, &shared).await });
        Self { socket, progress, transfer }
    }

    /// What the kernel calls the association.
    ///
    /// # Errors
    /// There is none.
    pub fn id(&self) -> Result<u32> {
        Ok(self.socket.status()?.id)
    }

    /// The peer's addresses, sorted.
    pub fn peers(&self) -> Vec<IpAddr> {
        sorted(&self.socket.peers().unwrap_or_default())
    }

    /// Where data is sent.
    pub fn primary(&self) -> Option<IpAddr> {
        Some(self.socket.status().ok()?.primary?.address.ip())
    }

    /// Waits until `octets` more have arrived.
    ///
    /// # Errors
    /// They have not in time, or the transfer has ended.
    pub fn wait_more(&self, octets: u64) -> Result<()> {
        let (before, wanted) = (self.progress.octets(), self.progress.octets() + octets);
        let is_over = || self.progress.octets() >= wanted || self.transfer.is_finished();
        wait::until_true("more octets", LIMIT, is_over).with_context(|| {
            let arrived = self.progress.octets() - before;
            format!("{arrived} of {octets} octets came; {:?}", self.socket.status())
        })?;
        if self.progress.octets() < wanted {
            bail!("the transfer has ended");
        }
        Ok(())
    }
}

/// The addresses without their port, in order.
pub fn sorted(addresses: &[SocketAddr]) -> Vec<IpAddr> {
    let mut addresses: Vec<_> = addresses.iter().map(SocketAddr::ip).collect();
    addresses.sort_unstable();
    addresses
}

/// Both ends stop sending, and all that was sent arrives in order. How many octets each has received.
///
/// # Errors
/// Something was lost, or arrived in the place of something else.
pub fn finish(runtime: &Runtime, ends: [End; 2]) -> Result<[u64; 2]> {
    ends.iter().for_each(|end| end.progress.stop());
    let mut octets = [0; 2];
    for (end, octets) in ends.into_iter().zip(&mut octets) {
        runtime.block_on(async { timeout(wait::scaled(LIMIT), end.transfer).await })???;
        *octets = end.progress.octets();
    }
    Ok(octets)
}
