//! Option lengths that lie.

use gateway_core::wire::dhcp6::leasequery::{Frames, LeaseAnswer, LeaseQuery};
use gateway_core::wire::dhcp6::release::{ReleaseAnswer, ReleaseReply, ReleaseRequest, ReleaseTypes};
use gateway_core::wire::dhcp6::{Builder, CLIENT_PORT, Malformed, Message, Nest, Options, RelayMessage, code, kind};
use gateway_core::wire::frame6::Datagram6;

use crate::Target;
use crate::home::{Home, RELAYS, SUBSCRIBERS, address, ask, delegated, duid, relay_id, reply, server_id};
use crate::input::Input;
use crate::service::{self, Service, relayed};

pub(crate) const TARGET: Target = Target { name: "lengths", what: "option lengths that lie", run, seeds };

/// Everything that can be asked of options.
fn options(options: Options<'_>) -> Result<(), Malformed> {
    // What is read is what is there, no octet more or less.
    let mut again = Builder::options();
    options.iter().for_each(|option| _ = again.option(option.code, option.value));
    assert_eq!(again.finish().as_deref(), Ok(options.octets()));
    let _ = (options.relay_supplied(), options.client_link_layer(), options.remote_id(), options.requested());
    let _ = (options.duid(code::CLIENT_ID), options.address(code::LQ_QUERY), options.flag(code::RAPID_COMMIT));
    let _ = options.bare_leases();
    if let Ok(ias) = options.ias() {
        let mut names: Vec<_> = ias.iter().map(|ia| (ia.kind.code(), ia.iaid)).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ias.len(), "two IAs that nothing tells apart");
        ias.iter().for_each(|ia| ia.leases().for_each(|lease| _ = lease.binding.prefix().last()));
    }
    if let Some(status) = options.status()? {
        let _ = status.text();
    }
    for option in options.iter() {
        if let Ok((_, within)) = option.container::<0>() {
            assert!(within.octets().len() <= option.value.len());
        }
    }
    Ok(())
}

/// Every reader of messages.
fn read(octets: &[u8]) {
    let _ = Options::parse(octets).and_then(options);
    if let Ok(message) = Message::parse(octets) {
        let _ = options(message.options());
        let _ = (message.client_id(), message.server_id(), message.ias(), message.elapsed(), message.requested());
        let _ = (message.reconfigure_message(), message.authentication(), message.rapid_commit());
    }
    if let Ok(relay) = RelayMessage::parse(octets) {
        let _ = options(relay.options());
        let _ = (relay.inner(), relay.interface_id(), relay.relay_id());
    }
    let _ = Nest::walk(octets).and_then(|nest| nest.without_message());
    let types = ReleaseTypes::default();
    if let Ok(request) = ReleaseRequest::parse(octets, types) {
        let answer = ReleaseAnswer::to(&request, types).encode(1232);
        assert!(ReleaseReply::parse(&answer, types, request.xid, request.server_id).is_ok());
    }
    let _ = ReleaseReply::parse(octets, types, 7, server_id().as_duid());
    let _ = LeaseQuery::parse(octets);
    if let Ok(answer) = LeaseAnswer::parse(octets) {
        answer.answers(7, duid(1).as_duid());
    }
    let _ = Datagram6::parse(octets);
}

/// What a connection brings is the same however it is cut.
fn stream(octets: &[u8], cut: usize) {
    let all = |parts: &[&[u8]]| {
        let (mut frames, mut messages) = (Frames::new(512), Vec::new());
        for part in parts {
            let mut input = *part;
            loop {
                match frames.next(&mut input) {
                    Ok(Some(message)) => messages.push(message),
                    Ok(None) => break,
                    Err(error) => return (messages, Some(error)),
                }
            }
        }
        (messages, None)
    };
    let (first, second) = octets.split_at(cut.min(octets.len()));
    assert_eq!(all(&[octets]), all(&[first, second]));
}

fn run(octets: &[u8]) {
    let mut input = Input::new(octets);
    let (way, cut) = (input.below(8), usize::from(input.octet()));
    let mut message = match way {
        0 => input.clone().rest().to_vec(),
        1 => reply(1, &[address(1), delegated(1)], 60),
        2 => relayed(1, &service::message(1, kind::RENEW, fill)),
        3 => seeds_of_requests(),
        kind => [&[kind, 0, 0, 7][..], input.clone().rest()].concat(),
    };
    input.damage(&mut message);
    read(&message);
    stream(&message, cut);
    let mut home = Home::with(1);
    let before = home.held();
    home.says(SUBSCRIBERS, 1, CLIENT_PORT, &message);
    home.says(RELAYS, 2, CLIENT_PORT, &message);
    assert!(home.hears(&message).is_empty(), "it is of no way of ours");
    assert_eq!(home.held(), before);
    // On the way of a client's own question: whatever it says, what is granted is whole.
    if let Some(sent) = home.asks(2, 1, kind::REQUEST, &[]) {
        home.answers(&sent, &message);
    }
    let mut service = Service::with(1);
    service.hears(service::RELAY, &message);
    if let Some(forward) = service::forward(1, &message) {
        service.hears(service::RELAY, &forward);
    }
}

fn fill(out: &mut Builder) {
    crate::home::list(out, &[address(1), delegated(1)], 60);
}

fn seeds_of_requests() -> Vec<u8> {
    let mut out = Builder::message(ReleaseTypes::default().request(), 7);
    out.duid(code::SERVER_ID, server_id().as_duid()).duid(code::RELAY_ID, relay_id().as_duid());
    out.nest(code::CLIENT_DATA, &[], |out| {
        out.duid(code::CLIENT_ID, duid(1).as_duid());
        fill(out);
    });
    out.finish().expect("short")
}

fn seeds() -> Vec<Vec<u8>> {
    let whole =
        [ask(1, kind::SOLICIT, &[address(1)]), reply(1, &[delegated(1)], 60), relayed(1, &ask(1, kind::RENEW, &[]))];
    let mut seeds: Vec<Vec<u8>> = whole.iter().map(|message| [&[0, 9][..], message].concat()).collect();
    seeds.extend((1..8).map(|way| vec![way, 5, 2, 0, 20, 255, 0, 30, 1, 0, 0]));
    seeds
}
