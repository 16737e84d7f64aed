//! Traffic of a subscriber: numbered datagrams at a steady pace, echoed beyond the gateway, so that a single lost one
//! shows.

use crate::namespace::Namespace;
use crate::plan::INTERNET;
use crate::plan6::INTERNET6;
use anyhow::{Context, Result};
use nix::sys::socket::{setsockopt, sockopt};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const PORT: u16 = 7;
/// Sockets wake this often to see whether they are to end.
const GLANCE: Duration = Duration::from_millis(20);

/// An echo service on the internet's address, in the namespace of the first server.
#[derive(Debug)]
pub struct Echo {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    /// Start it.
    pub fn start(space: &Namespace) -> Result<Self> {
        Self::at(space, INTERNET.into())
    }

    /// The same by IPv6.
    pub fn start6(space: &Namespace) -> Result<Self> {
        Self::at(space, INTERNET6.into())
    }

    fn at(space: &Namespace, address: IpAddr) -> Result<Self> {
        let socket = space.run(|| UdpSocket::bind((address, PORT)))?.context("cannot bind the echo service")?;
        socket.set_read_timeout(Some(GLANCE))?;
        // Above the host's limit: what a fleet sends while this thread waits for a processor must not be lost here.
        setsockopt(&socket, sockopt::RcvBufForce, &(32 << 20)).context("SO_RCVBUFFORCE")?;
        let stop = Arc::new(AtomicBool::new(false));
        let ending = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut datagram = [0; 2048];
            while !ending.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut datagram) {
                    // What can't be sent back counts as lost, there where it is counted.
                    let _ = socket.send_to(&datagram[..length], from);
                }
            }
        });
        Ok(Echo { stop, thread: Some(thread) })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        end(&self.stop, &mut self.thread);
    }
}

/// A subscriber's datagrams to the echo service and back.
#[derive(Debug)]
pub struct Flow {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    returned: Arc<AtomicU64>,
    threads: [Option<JoinHandle<()>>; 2],
}

impl Flow {
    /// Send one datagram each `pace` from `address` in `space`.
    pub fn start(space: &Namespace, address: Ipv4Addr, pace: Duration) -> Result<Self> {
        let socket = space.run(|| UdpSocket::bind((address, 0)))?.with_context(|| format!("cannot bind {address}"))?;
        socket.set_read_timeout(Some(GLANCE))?;
        let stop = Arc::new(AtomicBool::new(false));
        let (sent, returned) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let receiver = {
            let (socket, stop, returned) = (socket.try_clone()?, Arc::clone(&stop), Arc::clone(&returned));
            std::thread::spawn(move || receive(&socket, &stop, &returned))
        };
        let sender = {
            let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
            std::thread::spawn(move || send(&socket, pace, &stop, &sent))
        };
        Ok(Flow { stop, sent, returned, threads: [Some(sender), Some(receiver)] })
    }

    /// Datagrams sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Datagrams that came back so far, none counted twice.
    pub fn returned(&self) -> u64 {
        self.returned.load(Ordering::Relaxed)
    }

    /// Stop sending, wait for what is still on the way, and return how many were sent and how many came back.
    pub fn finish(mut self) -> (u64, u64) {
        end(&self.stop, &mut self.threads[0]);
        // The receiver goes on until nothing has come for a while.
        end(&self.stop, &mut self.threads[1]);
        (self.sent(), self.returned())
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        for thread in &mut self.threads {
            end(&self.stop, thread);
        }
    }
}

fn end(stop: &AtomicBool, thread: &mut Option<JoinHandle<()>>) {
    stop.store(true, Ordering::Relaxed);
    if let Some(thread) = thread.take()
        && thread.join().is_err()
    {
        eprintln!("lab: a thread of the traffic has panicked");
    }
}

fn send(socket: &UdpSocket, pace: Duration, stop: &AtomicBool, sent: &AtomicU64) {
    let to = SocketAddr::V4(SocketAddrV4::new(INTERNET, PORT));
    let start = Instant::now();
    for number in 0u64.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        // Not sent for want of an address or a link: it never was on the wire.
        if socket.send_to(&number.to_be_bytes(), to).is_ok() {
            sent.fetch_add(1, Ordering::Relaxed);
        }
        let next = start + pace * u32::try_from(number + 1).unwrap_or(u32::MAX);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

fn receive(socket: &UdpSocket, stop: &AtomicBool, returned: &AtomicU64) {
    let mut seen = std::collections::HashSet::new();
    let mut idle = 0;
    let mut datagram = [0; 64];
    while idle < 15 {
        match socket.recv(&mut datagram) {
            Ok(8) => {
                idle = 0;
                if seen.insert(datagram[..8].to_vec()) {
                    returned.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                idle += i32::from(stop.load(Ordering::Relaxed));
            }
            // Such as a "host unreachable" that came back for an earlier datagram.
            Err(_) => {}
        }
    }
}
