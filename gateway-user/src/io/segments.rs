//! UDP segmentation offload for sending: datagrams of one length to one server go down the stack as one.
//!
//! The way through the stack costs more than the datagram. What relays send is alike: messages of one kind differ in
//! their content but rarely in their length.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::udp::{Datagram, Family};

/// Segments the kernel takes at once (UDP_MAX_SEGMENTS was 64 before 6.9).
const AT_ONCE: usize = 64;
/// Octets that fit an IP packet before it is segmented.
const OCTETS: usize = 60_000;
/// Payload that fits every Ethernet MTU with its headers; a longer one would be fragmented, which excludes this.
const LONGEST: usize = 1400;

/// The datagrams' places, those of one server and length beside each other. `None` when the order must stay: two of
/// them are about one client.
pub(super) fn alike<A: Family>(datagrams: &[Datagram<A>]) -> Option<Vec<usize>> {
    if datagrams.len() < 2 {
        return None;
    }
    let client = |place: &usize| (datagrams[*place].server, datagrams[*place].payload.get(A::CLIENT));
    let mut places: Vec<usize> = (0..datagrams.len()).collect();
    places.sort_unstable_by_key(client);
    if places.windows(2).any(|pair| client(&pair[0]) == client(&pair[1])) {
        return None;
    }
    places.sort_unstable_by_key(|&place| (datagrams[place].server, datagrams[place].payload.len(), place));
    Some(places)
}

/// The first of `places` that can be sent as segments of one: at least one.
pub(super) fn run<'a, A: Family>(datagrams: &[Datagram<A>], places: &'a [usize]) -> (&'a [usize], &'a [usize]) {
    let first = &datagrams[places[0]];
    let length = first.payload.len();
    let most = if length > LONGEST { 1 } else { AT_ONCE.min(OCTETS / length.max(1)) };
    let same = |place: &&usize| {
        let other = &datagrams[**place];
        other.server == first.server && other.payload.len() == length
    };
    let count = places.iter().take(most).take_while(same).count();
    places.split_at(count)
}

/// Sends datagrams of one length to one address by one system call.
pub(super) fn send<A: Family>(
    socket: BorrowedFd<'_>,
    mut to: A::Raw,
    datagrams: &[Datagram<A>],
    places: &[usize],
) -> io::Result<()> {
    // struct cmsghdr with the length of a segment behind it.
    #[repr(C)]
    struct Control {
        header: libc::cmsghdr,
        length: u16,
        padding: [u8; 6],
    }
    let length = datagrams[places[0]].payload.len() as u16;
    let mut vectors: Vec<libc::iovec> = places
        .iter()
        .map(|&place| &datagrams[place].payload)
        .map(|payload| libc::iovec { iov_base: payload.as_ptr().cast_mut().cast(), iov_len: payload.len() })
        .collect();
    // SAFETY: cmsghdr and msghdr are plain data for which zero is a valid value.
    let (mut header, mut message): (libc::cmsghdr, libc::msghdr) = unsafe { std::mem::zeroed() };
    header.cmsg_len = size_of::<libc::cmsghdr>() + size_of::<u16>();
    header.cmsg_level = libc::SOL_UDP;
    header.cmsg_type = libc::UDP_SEGMENT;
    let mut control = Control { header, length, padding: [0; 6] };
    message.msg_name = std::ptr::from_mut(&mut to).cast();
    message.msg_namelen = size_of::<A::Raw>() as libc::socklen_t;
    message.msg_iov = vectors.as_mut_ptr();
    message.msg_iovlen = vectors.len();
    message.msg_control = std::ptr::from_mut(&mut control).cast();
    message.msg_controllen = size_of::<Control>();
    // SAFETY: everything the message points to lives to the end of this function or, the payloads, longer.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_DONTWAIT) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::os::fd::AsFd;

    fn datagram(server: u8, client: u8, length: usize) -> Datagram<Ipv4Addr> {
        let mut payload = vec![0; length];
        payload[Ipv4Addr::CLIENT.start] = client;
        Datagram { source: Ipv4Addr::LOCALHOST, server: Ipv4Addr::new(192, 0, 2, server), payload }
    }

    fn runs(datagrams: &[Datagram<Ipv4Addr>]) -> Vec<Vec<usize>> {
        let places = alike(datagrams).expect("no two of a client");
        let (mut rest, mut runs) = (&places[..], Vec::new());
        while !rest.is_empty() {
            let (run, others) = run(datagrams, rest);
            runs.push(run.to_vec());
            rest = others;
        }
        runs
    }

    #[test]
    fn those_of_one_server_and_length_go_together() {
        let datagrams =
            [datagram(1, 1, 300), datagram(1, 2, 310), datagram(2, 1, 300), datagram(1, 3, 300), datagram(2, 2, 300)];
        assert_eq!(runs(&datagrams), [vec![0, 3], vec![1], vec![2, 4]]);
    }

    #[test]
    fn the_order_stays_where_a_client_is_spoken_of_twice() {
        assert!(alike(&[datagram(1, 1, 280), datagram(1, 2, 300), datagram(1, 1, 300)]).is_none());
    }

    #[test]
    fn segments_arrive_as_datagrams() {
        let to = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let from = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let sin_port = to.local_addr().unwrap().port().to_be();
        let address = libc::sockaddr_in { sin_port, ..Ipv4Addr::LOCALHOST.raw() };
        let datagrams: Vec<_> = (0..5).map(|client| datagram(1, client, 300)).collect();
        send(from.as_fd(), address, &datagrams, &[4, 0, 2]).unwrap();
        for expected in [4, 0, 2] {
            let mut buffer = [0; 1000];
            let length = to.recv(&mut buffer).unwrap();
            assert_eq!(buffer[..length], datagrams[expected].payload);
        }
    }

    #[test]
    fn what_would_be_fragmented_goes_alone() {
        assert_eq!(runs(&[datagram(1, 1, 1401), datagram(1, 2, 1401)]), [[0], [1]]);
        let many: Vec<_> = (0..200).map(|client| datagram(1, client, 500)).collect();
        assert_eq!(runs(&many).iter().map(Vec::len).collect::<Vec<_>>(), [64, 64, 64, 8]);
    }
}
