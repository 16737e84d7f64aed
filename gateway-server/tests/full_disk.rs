//! A disk that takes no more. In a process of its own: the limit that stands for the full disk is the process's.

mod common;

use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use common::*;
use gateway_core::wire::dhcp4::{Message, code, kind};
use gateway_server::{Ports, Service};

/// Files may grow to this many octets. A write beyond fails, as it does on a full disk.
fn limit_files(octets: libc::rlim_t) {
    let limit = libc::rlimit { rlim_cur: octets, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: plain system calls on values of our own; SIGXFSZ would otherwise end the process instead of the write.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
    }
}

/// While the disk is full nothing is acknowledged, offered or released; once there is room it goes on by itself, and
/// every lease that was ever acknowledged is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk() {
    let directory = tempfile::tempdir().unwrap();
    let relay = UdpSocket::bind("127.0.0.1:0").unwrap();
    relay.set_read_timeout(Some(Duration::from_millis(1500))).unwrap();
    let SocketAddr::V4(relay_address) = relay.local_addr().unwrap() else { unreachable!("bound to IPv4") };

    let mut config = wide(config(), 60_000);
    config.listen = *relay_address.ip();
    config.subnets[0].relays = vec![*relay_address.ip()];
    config.store = directory.path().into();
    config.ports = Ports { server: 0, relay: relay_address.port(), client: 68 };
    let service = Service::open(config.clone()).unwrap();
    let SocketAddr::V4(server) = service.local_addr().unwrap() else { unreachable!("bound to IPv4") };
    let status = service.status();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(service.run(async { drop(stopped.await) }));

    let (mut acknowledged, mut number) = (Vec::new(), 0);
    let try_login = |number: u32| login(&relay, server, &cpe(number).at(*relay_address.ip()));
    for _ in 0..20 {
        acknowledged.extend(try_login(number));
        number += 1;
    }
    assert_eq!(acknowledged.len(), 20);

    limit_files(4096);
    let mut refused = 0;
    while refused < 2 {
        match try_login(number) {
            Some(address) => acknowledged.push(address),
            None => refused += 1,
        }
        number += 1;
        assert!(number < 10_000, "the disk never filled");
    }
    let says = async |ok: bool| {
        let mut status = status.clone();
        let change = status.wait_for(|status| status.store_ok == ok);
        tokio::time::timeout(Duration::from_secs(30), change).await.unwrap().unwrap();
    };
    says(false).await;

    limit_files(libc::RLIM_INFINITY);
    says(true).await;
    let before = acknowledged.len();
    for _ in 0..20 {
        acknowledged.extend(try_login(number));
        number += 1;
    }
    assert_eq!(acknowledged.len(), before + 20);
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();

    let all = acknowledged.len();
    acknowledged.sort_unstable();
    acknowledged.dedup();
    assert_eq!(acknowledged.len(), all, "no address twice");
    let again = Service::open(config).unwrap();
    assert!(again.status().borrow().active >= all as u64);
}

/// DISCOVER to ACK over UDP; `None` when either goes unanswered.
fn login(relay: &UdpSocket, server: SocketAddrV4, client: &Cpe) -> Option<std::net::Ipv4Addr> {
    let mut buffer = [0; 1500];
    // A late answer to an earlier client is none to this one.
    let mut exchange = |payload: Vec<u8>, expected: u8| {
        relay.send_to(&payload, server).unwrap();
        loop {
            let length = relay.recv(&mut buffer).ok()?;
            let message = Message::parse(&buffer[..length]).unwrap();
            if message.hardware().mac() == Some(client.mac) && message.kind() == Some(expected) {
                return Some(message.yiaddr());
            }
        }
    };
    let address = exchange(client.discover(), kind::OFFER)?;
    let select = client.message(kind::REQUEST, |builder| {
        builder.address(code::SERVER_ID, *server.ip()).address(code::REQUESTED_IP, address)
    });
    exchange(select, kind::ACK)
}
