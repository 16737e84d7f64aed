//! Renewals and releases that bypass the relay.

use super::*;

/// The ACK to a renewal by unicast renews the lease; the login keeps its epoch, for no new tag went to the server.
/// H-BR-7
#[test]
fn a_renewal_that_bypasses_the_relay() {
    let mut relay = relay(config());
    let renewal = client(kind::REQUEST).ciaddr(ADDRESS).finish();
    relay.handle_client_snoop(LINE, &unicast(&renewal, ADDRESS, SERVER), NOW);
    assert_eq!(relay.poll_command(), None, "the data plane has forwarded it already");

    let ack = stripped_reply(&renewal, kind::ACK).ciaddr(ADDRESS).finish();
    relay.handle_server_snoop(SERVER, ADDRESS, &ack, NOW);
    let renewed = Command::Renewed {
        address: ADDRESS,
        hardware: HardwareAddress::ethernet(MAC),
        server: SERVER,
        expires: NOW + Duration::from_secs(3600),
    };
    assert_eq!(relay.poll_command(), Some(renewed));
    assert_eq!(relay.poll_command(), None);
}

/// What is no renewal: from somebody else, for somebody else, no ACK, no lease time, no DHCP.
#[test]
fn not_a_renewal() {
    let mut relay = relay(config());
    let renewal = client(kind::REQUEST).ciaddr(ADDRESS).finish();
    let ack = stripped_reply(&renewal, kind::ACK).finish();
    relay.handle_server_snoop(OTHER_SERVER, ADDRESS, &ack, NOW);
    dropped!(relay, Reason::UnknownServer);
    relay.handle_server_snoop(SERVER, GIADDR, &ack, NOW);
    relay.handle_server_snoop(SERVER, ADDRESS, &stripped_reply(&renewal, kind::OFFER).finish(), NOW);
    let inform = Builder::reply(&Message::parse(&renewal).unwrap()).kind(kind::ACK).ciaddr(ADDRESS).finish();
    relay.handle_server_snoop(SERVER, ADDRESS, &inform, NOW);
    relay.handle_server_snoop(SERVER, ADDRESS, &renewal, NOW);
    relay.handle_server_snoop(SERVER, ADDRESS, &ack[..239], NOW);
    assert_eq!(relay.poll_command(), None);
}

/// A RELEASE by unicast is reported for the address it comes from, and for no other.
#[test]
fn a_release_that_bypasses_the_relay() {
    let mut relay = relay(config());
    let release = client(kind::RELEASE).ciaddr(ADDRESS).address(code::SERVER_ID, SERVER).finish();
    relay.handle_client_snoop(LINE, &unicast(&release, ADDRESS, SERVER), NOW);
    let hardware = HardwareAddress::ethernet(MAC);
    assert_eq!(relay.poll_command(), Some(Command::Released { address: ADDRESS, hardware, line: LINE }));
    relay.handle_client_snoop(LINE, &unicast(&release, GIADDR, SERVER), NOW);
    relay.handle_client_snoop(LINE, &unicast(&release, ADDRESS, OTHER_SERVER), NOW);
    relay.handle_client_snoop(LINE, &unicast(&[1; 300], ADDRESS, SERVER), NOW);
    assert_eq!(relay.poll_command(), None);
}
