//! dhcproto as the oracle for what it reads rightly: a client's and a server's message, one option of a code.

use dhcproto::v6::{self, DhcpOption, DhcpOptions, OptionCode};
use dhcproto::{Decodable, Decoder, Encodable};
use gateway_core::wire::dhcp6::{Binding, IaKind, kind};

use crate::lab::*;

fn lease(options: &DhcpOptions) -> (u32, u32, u32, u32) {
    match (options.get(OptionCode::IANA), options.get(OptionCode::IAPD)) {
        (Some(DhcpOption::IANA(ia)), _) => match ia.opts.get(OptionCode::IAAddr) {
            Some(DhcpOption::IAAddr(lease)) => (ia.t1, ia.t2, lease.preferred_life, lease.valid_life),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// A SOLICIT that another implementation wrote is answered with an ADVERTISE that it reads, to the last option.
#[test]
fn another_implementations_client() {
    let mut lab = Lab::new(config());
    let client = cpe(1);
    let mut solicit = v6::Message::new_with_id(v6::MessageType::Solicit, [1, 2, 3]);
    solicit.opts_mut().insert(DhcpOption::ClientId(client.duid.as_duid().octets().to_vec()));
    solicit.opts_mut().insert(DhcpOption::IANA(v6::IANA { id: 9, t1: 0, t2: 0, opts: DhcpOptions::new() }));
    let reply = lab.send(RELAY, &client.relayed(&solicit.to_vec().unwrap())).unwrap();
    let read = v6::Message::decode(&mut Decoder::new(&reply.inner)).unwrap();
    assert_eq!((read.msg_type(), read.xid()), (v6::MessageType::Advertise, [1, 2, 3]));
    assert_eq!(lease(read.opts()), (1800, 2880, 3600, 7200));
    assert_eq!(read.to_vec().unwrap(), reply.inner, "nothing was lost in reading");
    let Some(Binding::Address(address)) = reply.lease(IaKind::Na, 9) else { panic!("an address") };
    let Some(DhcpOption::IANA(ia)) = read.opts().get(OptionCode::IANA) else { panic!("an IA_NA") };
    let Some(DhcpOption::IAAddr(told)) = ia.opts.get(OptionCode::IAAddr) else { panic!("an address") };
    assert_eq!((reply.kind(), told.addr), (kind::ADVERTISE, address));
}
