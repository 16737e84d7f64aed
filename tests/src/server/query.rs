//! Asking a server by leasequery (RFC 4388) whether it holds a lease.

use crate::dhcp::kind;
use crate::namespace::Namespace;
use anyhow::{Context, Result};
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

/// Who asks: a relay's address of its own, in the server's namespace.
pub(super) const ASKER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 252);

/// Let [`is_active`] ask from `space`.
pub(super) fn prepare(space: &Namespace) -> Result<()> {
    space.ip(&format!("address replace {ASKER}/32 dev lo")).map(drop)
}

/// Whether `server`, which listens in `space`, answers LEASEACTIVE for `address`.
pub(super) fn is_active(space: &Namespace, server: Ipv4Addr, address: Ipv4Addr) -> Result<bool> {
    // The socket of the question before may still be open in a child that another thread is about to start.
    let bind = || UdpSocket::bind((ASKER, 67)).ok();
    let socket = space.run(|| crate::wait::until("a free port 67", Duration::from_secs(5), bind))??;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    socket.send_to(&query(address), (server, 67))?;
    let mut answer = [0; 2048];
    let (length, _) = socket.recv_from(&mut answer).context("no answer to a leasequery")?;
    let option = answer[..length].get(240..243).context("a short answer")?;
    anyhow::ensure!(option[..2] == [53, 1], "an answer whose first option is not its type");
    Ok(option[2] == kind::LEASEACTIVE)
}

fn query(address: Ipv4Addr) -> Vec<u8> {
    let mut message = vec![1, 1, 6, 0, 7, 7, 7, 7, 0, 0, 0, 0];
    message.extend(address.octets());
    message.resize(24, 0);
    message.extend(ASKER.octets());
    message.resize(236, 0);
    message.extend([99, 130, 83, 99, 53, 1, kind::LEASEQUERY, 255]);
    message
}
