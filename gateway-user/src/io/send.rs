//! sendmmsg(2): many datagrams in one system call.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Datagrams to a system call.
const AT_ONCE: usize = 64;

/// Sends every datagram, in order; `each` gives the i-th one's octets and the socket address to send it to. Never
/// waits. What can't be sent is given to `failed` with its index and passed over.
pub(super) fn send_all<'a, A>(
    socket: BorrowedFd<'_>,
    count: usize,
    each: impl Fn(usize) -> (&'a [u8], A),
    mut failed: impl FnMut(usize, io::Error),
) {
    let mut start = 0;
    while start < count {
        let batch = (count - start).min(AT_ONCE);
        start += match send_some(socket, start, batch, &each) {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => {
                failed(start, error);
                1
            }
        };
    }
}

/// `A` is the socket address in its C form.
fn send_some<'a, A>(
    socket: BorrowedFd<'_>,
    start: usize,
    count: usize,
    each: &impl Fn(usize) -> (&'a [u8], A),
) -> io::Result<usize> {
    // SAFETY: iovec and mmsghdr are plain data for which zero is a valid value.
    let mut vectors: [libc::iovec; AT_ONCE] = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut headers: [libc::mmsghdr; AT_ONCE] = unsafe { std::mem::zeroed() };
    let mut addresses: [Option<A>; AT_ONCE] = [const { None }; AT_ONCE];
    for index in 0..count {
        let (octets, address) = each(start + index);
        vectors[index] = libc::iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() };
        let address = addresses[index].insert(address);
        let header = &mut headers[index].msg_hdr;
        header.msg_name = std::ptr::from_mut(address).cast();
        header.msg_namelen = size_of::<A>() as libc::socklen_t;
        header.msg_iov = &raw mut vectors[index];
        header.msg_iovlen = 1;
    }
    // SAFETY: `count` headers are filled; what they point to lives to the end of this function or (the octets) for 'a.
    let sent =
        unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count as libc::c_uint, libc::MSG_DONTWAIT) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(sent as usize) }
}

#[cfg(test)]
mod tests {
    use super::super::udp::Family as _;
    use super::*;
    use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
    use std::os::fd::AsFd;

    fn c_address(address: SocketAddr) -> libc::sockaddr_in {
        libc::sockaddr_in { sin_port: address.port().to_be(), ..Ipv4Addr::LOCALHOST.raw() }
    }

    #[test]
    fn more_datagrams_than_fit_one_call() {
        let to = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let from = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = to.local_addr().unwrap();
        let octets: Vec<[u8; 2]> = (0..150u16).map(u16::to_be_bytes).collect();
        send_all(from.as_fd(), octets.len(), |i| (&octets[i][..], c_address(address)), |i, e| panic!("{i}: {e}"));
        for expected in octets {
            let mut buffer = [0; 16];
            let length = to.recv(&mut buffer).unwrap();
            assert_eq!(buffer[..length], expected);
        }
    }

    #[test]
    fn one_failure_does_not_stop_the_rest() {
        let to = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let from = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = to.local_addr().unwrap();
        let huge = vec![0; 70_000];
        let octets: [&[u8]; 3] = [b"one", &huge, b"three"];
        let mut failures = Vec::new();
        send_all(from.as_fd(), 3, |i| (octets[i], c_address(address)), |i, _| failures.push(i));
        assert_eq!(failures, [1]);
        let mut buffer = [0; 16];
        assert_eq!(to.recv(&mut buffer).unwrap(), 3);
        assert_eq!(to.recv(&mut buffer).unwrap(), 5);
    }
}
