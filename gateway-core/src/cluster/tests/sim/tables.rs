//! A member's session tables, with its disk: those of DHCPv4 and of DHCPv6, as a node has them.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::collections::BTreeMap;

use gateway_common::unit::UnitKey;
use gateway_common::vlan::VlanTags;

use super::clients::{self, CLIENTS, Lease};
use crate::line::{FpcId, Line, PortId};
use crate::login::Login;
use crate::member::MemberId;
use crate::replication::{Change, Positions, Record, Said};
use crate::scope::Epoch;
use crate::session::{self, EndReason, Numbering, Restoring, SessionConfig, Sessions, ShareConfig};
use crate::time::{Instant, WallClock};
use crate::v6::{self, Grant};
use crate::wire::dhcp6::{DuidBuf, IaKind, Prefix};

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const SERVER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 2);
const GIADDR: Ipv4Addr = Ipv4Addr::new(100, 64, 255, 254);
const LINE: Line = Line { port: PortId(0), tags: VlanTags::NONE };
/// Records in a page of a snapshot: few, so that things happen between two.
const PAGE: usize = 4;
/// Where leases of DHCPv6 begin among the places of a snapshot.
const LEASES6: u64 = 1 << 33;

/// What survives a crash.
pub(super) type Disk = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Debug)]
pub(super) struct Tables {
    four: Sessions,
    six: Option<v6::session::Sessions>,
    pub(super) disk: Disk,
    clock: WallClock,
}

impl Tables {
    /// With what the disk holds. `six`: DHCPv6 is served, too.
    pub(super) fn new(me: MemberId, disk: Disk, six: bool, clock: WallClock, now: Instant) -> Self {
        let config = || SessionConfig { capacity: 64, port_limits: Vec::new(), lockout: None };
        let mut four = Restoring::new(config(), clock, now);
        let mut restoring6 = six.then(|| v6::session::Restoring::new(config(), clock, now));
        for (key, value) in &disk {
            let taken = four.add(key, value) || restoring6.as_mut().is_some_and(|six| six.add(key, value));
            assert!(taken, "a record that nobody understands");
        }
        let (mut four, lost) = four.finish(Numbering::default());
        let share = ShareConfig { me, fpcs: vec!["fpc0".into()], configured: (1, 1), unit_key: UnitKey::NONE };
        four.share(share.clone(), now);
        let six = restoring6.map(|restoring| {
            let (mut six, lost) = restoring.finish(Numbering::default());
            assert_eq!(lost, 0, "records of DHCPv6 are lost");
            six.share(share, four.stamp_clock().expect("it is shared"), now);
            six
        });
        assert_eq!(lost, 0, "records are lost");
        Self { four, six, disk, clock }
    }

    pub(super) fn handle_now(&mut self, now: Instant) {
        self.four.handle_now(now);
        self.six.iter_mut().for_each(|six| six.handle_now(now));
    }

    /// The last lease of each part of what a client has: of DHCPv6 an address and a prefix.
    pub(super) fn held(&self, client: usize) -> [Option<u64>; 2] {
        let number = |expires| clients::number(self.clock.to_unix_millis(expires));
        let Some(subscriber) = client.checked_sub(CLIENTS) else {
            return [self.four.get(clients::address(client)).map(|session| number(session.expires)); 2];
        };
        let lease = |prefix| Some(number(self.six.as_ref()?.get(prefix)?.0.expires));
        [lease(address(subscriber)), lease(delegated(subscriber))]
    }

    pub(super) fn bind(&mut self, lease: Lease, now: Instant) {
        let expires = self.clock.from_unix_millis(clients::expires(lease.number));
        let Some(subscriber) = lease.client.checked_sub(CLIENTS) else { return self.bind4(lease.client, expires, now) };
        let grant = |prefix, kind| Grant { prefix, kind, iaid: Some(1), expires };
        let login = v6::Login {
            client: duid(subscriber),
            line: LINE,
            mac: mac(subscriber),
            relayed: false,
            peer: clients::link_local(subscriber),
            fpc: FpcId(0),
            epoch: Epoch(1),
            server: SERVER6,
            server_id: DuidBuf::link_layer([2, 0, 0, 0, 0xaa, 1]),
            tagged: false,
            granted: vec![grant(address(subscriber), IaKind::Na), grant(delegated(subscriber), IaKind::Pd)],
            at: now,
        };
        let six = self.six.as_mut().expect("DHCPv6 is served");
        six.bind(login, now).expect("nothing speaks against it");
    }

    fn bind4(&mut self, client: usize, expires: Instant, now: Instant) {
        let login = Login {
            address: clients::address(client),
            hardware: clients::hardware(client),
            client_id: None,
            line: LINE,
            fpc: FpcId(0),
            epoch: Epoch(1),
            server: SERVER,
            server_identifier: SERVER,
            giaddr: GIADDR,
            agent_information: [1, 2, b'p', b'0'].into(),
            scope: None,
            at: now,
            expires,
        };
        self.four.bind(login, now).expect("nothing speaks against it");
    }

    /// A client gives back what it has.
    pub(super) fn release(&mut self, client: usize, now: Instant) {
        let Some(subscriber) = client.checked_sub(CLIENTS) else {
            self.four.end(clients::address(client), EndReason::Released, now);
            return;
        };
        let leases = [address(subscriber), delegated(subscriber)];
        let six = self.six.as_mut().expect("DHCPv6 is served");
        six.unbind(duid(subscriber).as_duid(), LINE, SERVER6, &leases, &[], EndReason::Released, now);
    }

    /// What the tables want: records first, then what the others are told.
    pub(super) fn drain(&mut self, said: &mut Vec<Said>) {
        while let Some(command) = self.four.poll_command() {
            match command {
                session::Command::Persist { key, value, .. } => drop(self.disk.insert(key, value)),
                session::Command::Forget { key } => drop(self.disk.remove(&key)),
                session::Command::Replicate(new) => said.push(new),
                _ => {}
            }
        }
        while let Some(command) = self.six.as_mut().and_then(|six| six.poll_command()) {
            match command {
                v6::session::Command::Persist { key, value, .. } => drop(self.disk.insert(key, value)),
                v6::session::Command::Forget { key } => drop(self.disk.remove(&key)),
                v6::session::Command::Replicate(new) => said.push(new),
                _ => {}
            }
        }
    }

    /// A change of another member.
    pub(super) fn apply(&mut self, record: Record, now: Instant) {
        let rest = self.four.handle_replica(record, now);
        let rest = rest.and_then(|record| match &mut self.six {
            Some(six) => six.handle_replica(record, now),
            None => Some(record),
        });
        assert_eq!(rest, None, "members speak of sessions only");
    }

    pub(super) fn begin_replace(&mut self, theirs: &Positions, ours: &Positions, yielding: bool) {
        self.four.begin_replace(theirs.clone(), ours.clone(), yielding);
        self.six.iter_mut().for_each(|six| six.begin_replace(theirs.clone(), ours.clone(), yielding));
    }

    /// A part of a snapshot.
    pub(super) fn merge(&mut self, records: Vec<Record>, now: Instant) {
        for Record { stamp, change } in records {
            match (change, &mut self.six) {
                (Change::Session(state), _) => self.four.handle_snapshot(stamp, *state, now),
                (Change::Lease6(state), Some(six)) => six.handle_snapshot(stamp, *state, now),
                (change, _) => self.apply(Record { stamp, change }, now),
            }
        }
    }

    pub(super) fn end_replace(&mut self) {
        self.four.end_replace();
        self.six.iter_mut().for_each(|six| six.end_replace());
    }

    pub(super) fn abort_replace(&mut self) {
        self.four.abort_replace();
        self.six.iter_mut().for_each(|six| six.abort_replace());
    }

    /// State for a member that takes a snapshot, and where to go on.
    pub(super) fn snapshot(&self, cursor: u64) -> (Vec<Record>, Option<u64>) {
        if let (Some(from), Some(six)) = (cursor.checked_sub(LEASES6), &self.six) {
            let (records, next) = six.snapshot(from as u32, PAGE);
            return (records, next.map(|next| LEASES6 + u64::from(next)));
        }
        let (records, next) = self.four.snapshot(cursor as u32, PAGE);
        (records, next.map(u64::from).or(self.six.as_ref().map(|_| LEASES6)))
    }
}

fn mac(subscriber: usize) -> [u8; 6] {
    clients::hardware(subscriber).mac().expect("Ethernet")
}

fn duid(subscriber: usize) -> DuidBuf {
    DuidBuf::link_layer(mac(subscriber))
}

fn address(subscriber: usize) -> Prefix {
    let address = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, subscriber as u16);
    Prefix::new(address, 128).expect("an address")
}

fn delegated(subscriber: usize) -> Prefix {
    let first = Ipv6Addr::new(0x2001, 0xdb8, 0x100, (subscriber as u16) << 8, 0, 0, 0, 0);
    Prefix::new(first, 56).expect("a prefix")
}
