//! Options of level `SOL_SCTP` by number, their values as octets: the structures of `linux/sctp.h` are packed, and no Rust
//! structure has to be believed to be laid out as they are.

use std::io;
use std::os::fd::AsRawFd;

const SOL_SCTP: libc::c_int = 132;

/// What `linux/sctp.h` calls `SCTP_…`.
#[derive(Clone, Copy)]
pub(super) struct Name(libc::c_int);

pub(super) const RTOINFO: Name = Name(0);
pub(super) const ASSOCINFO: Name = Name(1);
pub(super) const INITMSG: Name = Name(2);
pub(super) const NODELAY: Name = Name(3);
pub(super) const SET_PEER_PRIMARY_ADDR: Name = Name(5);
pub(super) const PRIMARY_ADDR: Name = Name(6);
pub(super) const PEER_ADDR_PARAMS: Name = Name(9);
pub(super) const STATUS: Name = Name(14);
pub(super) const GET_PEER_ADDR_INFO: Name = Name(15);
pub(super) const AUTH_CHUNK: Name = Name(21);
pub(super) const HMAC_IDENT: Name = Name(22);
pub(super) const AUTH_KEY: Name = Name(23);
pub(super) const AUTH_ACTIVE_KEY: Name = Name(24);
pub(super) const AUTH_DELETE_KEY: Name = Name(25);
pub(super) const PEER_AUTH_CHUNKS: Name = Name(26);
pub(super) const AUTO_ASCONF: Name = Name(30);
pub(super) const BINDX_ADD: Name = Name(100);
pub(super) const BINDX_REM: Name = Name(101);
pub(super) const GET_PEER_ADDRS: Name = Name(108);
pub(super) const GET_LOCAL_ADDRS: Name = Name(109);
pub(super) const CONNECTX: Name = Name(110);
pub(super) const EVENT: Name = Name(127);
pub(super) const ASCONF_SUPPORTED: Name = Name(128);
pub(super) const AUTH_SUPPORTED: Name = Name(129);

/// Sets an option. What the kernel returns when it worked is mostly 0.
pub(super) fn set(socket: &impl AsRawFd, Name(name): Name, value: &[u8]) -> io::Result<()> {
    // SAFETY: pointer and length are of one slice, which the kernel only reads.
    let done = unsafe {
        libc::setsockopt(socket.as_raw_fd(), SOL_SCTP, name, value.as_ptr().cast(), value.len() as libc::socklen_t)
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Reads an option. `value` goes to the kernel, which needs parts of some, and has its answer afterwards, in this many octets.
pub(super) fn get(socket: &impl AsRawFd, Name(name): Name, value: &mut [u8]) -> io::Result<usize> {
    let mut len = value.len() as libc::socklen_t;
    // SAFETY: the kernel writes no more octets to the slice than its length, which `len` is.
    let done = unsafe { libc::getsockopt(socket.as_raw_fd(), SOL_SCTP, name, value.as_mut_ptr().cast(), &raw mut len) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(len as usize) }
}

/// `struct sctp_assoc_value`: of the socket's own association.
pub(super) fn of_association(value: u32) -> [u8; 8] {
    let mut octets = [0; 8];
    octets[4..].copy_from_slice(&value.to_ne_bytes());
    octets
}

/// The number at this place of an answer.
pub(super) fn number(octets: &[u8], at: usize) -> u32 {
    octets.get(at..at + 4).map_or(0, |octets| u32::from_ne_bytes(octets.try_into().expect("four octets")))
}
