//! dhcproto as the oracle where it is sound: messages of clients and servers with one option of a code.

use core::net::Ipv6Addr;

use dhcproto::v6::{self, DhcpOption, DhcpOptions};
use dhcproto::{Decodable, Decoder, Encodable};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::wire::dhcp6::arbitrary::duid;
use crate::wire::dhcp6::*;

fn status_of(options: &DhcpOptions) -> Option<(u16, String)> {
    match options.get(v6::OptionCode::StatusCode) {
        Some(DhcpOption::StatusCode(status)) => Some((status.status.into(), status.msg.clone())),
        _ => None,
    }
}

proptest! {
    /// dhcproto reads what we build, and writes it again as it was.
    #[test]
    fn dhcproto_reads_us(
        (xid, elapsed, iaid, times, lifetimes) in any::<(u32, u16, u32, [u32; 2], [u32; 2])>(),
        (bits, length) in (any::<u128>(), 0u8..=128),
        (client, server) in (duid(), duid()),
        code in 0u16..=22,
        text in "[a-z ]{0,30}",
    ) {
        let address = Ipv6Addr::from_bits(bits);
        let prefix = Prefix::new(address, length).unwrap();
        let octets = Builder::message(kind::REPLY, xid)
            .duid(code::CLIENT_ID, client.as_duid())
            .duid(code::SERVER_ID, server.as_duid())
            .ia(IaKind::Na, iaid, times, |out| {
                out.lease(Binding::Address(address), lifetimes, |out| {
                    out.status(code, &text);
                });
            })
            .ia(IaKind::Ta, iaid, times, |out| {
                out.status(code, &text);
            })
            .requested(&[23, 24])
            .u16(code::ELAPSED_TIME, elapsed)
            .status(code, &text)
            .option(code::RAPID_COMMIT, &[])
            .option(code::RECONF_ACCEPT, &[])
            .ia(IaKind::Pd, iaid, times, |out| {
                out.lease(Binding::Prefix(prefix), lifetimes, |_| {});
            })
            .finish()
            .unwrap();
        let theirs = v6::Message::decode(&mut Decoder::new(&octets)).unwrap();
        prop_assert_eq!(theirs.xid_num(), xid & 0xff_ffff);
        let want = Some((code, text));
        prop_assert_eq!(status_of(theirs.opts()), want.clone());
        let Some(DhcpOption::IANA(na)) = theirs.opts().get(v6::OptionCode::IANA) else { panic!("no IA_NA") };
        prop_assert_eq!((na.id, [na.t1, na.t2]), (iaid, times));
        let Some(DhcpOption::IAAddr(lease)) = na.opts.get(v6::OptionCode::IAAddr) else { panic!("no address") };
        prop_assert_eq!((lease.addr, [lease.preferred_life, lease.valid_life]), (address, lifetimes));
        prop_assert_eq!(status_of(&lease.opts), want.clone());
        let Some(DhcpOption::IATA(ta)) = theirs.opts().get(v6::OptionCode::IATA) else { panic!("no IA_TA") };
        prop_assert_eq!((ta.id, status_of(&ta.opts)), (iaid, want));
        let Some(DhcpOption::IAPD(pd)) = theirs.opts().get(v6::OptionCode::IAPD) else { panic!("no IA_PD") };
        let Some(DhcpOption::IAPrefix(lease)) = pd.opts.get(v6::OptionCode::IAPrefix) else { panic!("no prefix") };
        prop_assert_eq!((lease.prefix_ip, lease.prefix_len), (prefix.address(), length));
        prop_assert_eq!(theirs.to_vec().unwrap(), octets);
    }

    /// We read what dhcproto builds, opaque options included.
    #[test]
    fn we_read_dhcproto(
        (xid, iaid, elapsed, mac) in any::<([u8; 3], u32, u16, [u8; 6])>(),
        opaque in vec(any::<u8>(), 0..60),
        addresses in vec(any::<u128>(), 0..4),
    ) {
        let mut theirs = v6::Message::new_with_id(v6::MessageType::Request, xid);
        let mut inner = DhcpOptions::new();
        for bits in &addresses {
            let address = v6::IAAddr { addr: Ipv6Addr::from_bits(*bits), preferred_life: 7, valid_life: 8, opts: DhcpOptions::new() };
            inner.insert(DhcpOption::IAAddr(address));
        }
        let client = DuidBuf::link_layer(mac);
        for option in [
            DhcpOption::ClientId(client.as_duid().octets().to_vec()),
            DhcpOption::IANA(v6::IANA { id: iaid, t1: 1, t2: 2, opts: inner }),
            DhcpOption::ElapsedTime(elapsed),
            DhcpOption::InterfaceId(opaque.clone()),
            DhcpOption::Unknown(v6::UnknownOption::new(v6::OptionCode::Unknown(4711), opaque.clone())),
        ] {
            theirs.opts_mut().insert(option);
        }
        let octets = theirs.to_vec().unwrap();
        let ours = Message::parse(&octets).unwrap();
        let [a, b, c] = xid;
        prop_assert_eq!((ours.kind(), ours.xid()), (kind::REQUEST, u32::from_be_bytes([0, a, b, c])));
        prop_assert_eq!(ours.client_id().unwrap().and_then(|duid| duid.mac()), Some(mac));
        prop_assert_eq!(ours.elapsed(), Ok(Some(elapsed)));
        prop_assert_eq!(ours.options().value(code::INTERFACE_ID), Ok(Some(&opaque[..])));
        prop_assert_eq!(ours.options().value(4711), Ok(Some(&opaque[..])));
        let ias = ours.ias().unwrap();
        prop_assert_eq!((ias.len(), ias[0].kind, ias[0].iaid, ias[0].t1, ias[0].t2), (1, IaKind::Na, iaid, 1, 2));
        let mut read: Vec<_> = ias[0].leases().map(|lease| (lease.binding, lease.preferred, lease.valid)).collect();
        let mut want: Vec<_> =
            addresses.iter().map(|bits| (Binding::Address(Ipv6Addr::from_bits(*bits)), 7, 8)).collect();
        read.sort(); // it sorts with an unstable sort
        want.sort();
        prop_assert_eq!(read, want);
    }
}
