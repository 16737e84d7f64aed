//! One member on the bench: the test is all the others.

use core::net::{Ipv4Addr, SocketAddrV4};

use gateway_common::unit::Unit;

use crate::cluster::*;
use crate::member::{MemberId, Term, UnitVersion};
use crate::time::{Duration, Instant};
use crate::wire::cluster::*;
use crate::wire::frame::{BROADCAST_MAC, Datagram};

pub(super) const DOCUMENT: Constants = Constants::document();
pub(super) const PRODUCTION: Constants = Constants::production();

pub(super) fn id(number: u8) -> MemberId {
    MemberId::new(number).expect("a member")
}

pub(super) fn ip(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, number)
}

pub(super) fn unit(number: u16) -> Unit {
    Unit::new(number).expect("a unit")
}

pub(super) fn frame(n: u8) -> HeldFrame {
    HeldFrame { port: Some(0), frame: vec![n; 14] }
}

/// A DISCOVER, as far as this matters.
pub(super) fn dhcp() -> Vec<u8> {
    let datagram = Datagram {
        source_mac: [2, 0, 0, 0, 0, 1],
        destination_mac: BROADCAST_MAC,
        tags: Default::default(),
        source: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68),
        destination: SocketAddrV4::new(Ipv4Addr::BROADCAST, 67),
        payload: &[1; 240],
    };
    datagram.build().expect("short")
}

/// Members 1 to `members`, of which this is `me`.
pub(super) fn config(me: u8, members: u8, quorum: Quorum, constants: Constants) -> ClusterConfig {
    let member = |number| MemberConfig { id: id(number), ip: ip(number), name: format!("gw{number}") };
    ClusterConfig {
        me: id(me),
        members: (1..=members).map(member).collect(),
        config_version: 5,
        config_digest: 55,
        delivery: Delivery::Forward,
        quorum,
        coordination: Coordination::Members,
        objectors: false,
        first_term: Term(0),
        constants,
    }
}

pub(super) struct Bench {
    pub(super) cluster: Cluster,
    pub(super) now: Instant,
    /// What it said and did since the last look.
    done: Vec<Command>,
    keepalives: [u64; 256],
    /// What its last request said of the mastership before.
    pub(super) ruled: Term,
}

impl Bench {
    /// A member that starts at one second, with all its state, connected to all others.
    pub(super) fn new(config: ClusterConfig) -> Self {
        let now = Instant::ZERO + Duration::from_secs(1);
        let others: Vec<_> = config.members.iter().map(|member| member.id).filter(|id| *id != config.me).collect();
        let mut cluster = Cluster::new(config, 1, now);
        cluster.handle_synced(true, now);
        others.into_iter().for_each(|other| cluster.handle_peer(other, PeerEvent::Connected, now));
        Self { cluster, now, done: Vec::new(), keepalives: [0; 256], ruled: Term(0) }
    }

    pub(super) fn document(me: u8, members: u8) -> Self {
        Self::new(config(me, members, Quorum::None, DOCUMENT))
    }

    pub(super) fn production(me: u8, members: u8) -> Self {
        Self::new(config(me, members, Quorum::Majority, PRODUCTION))
    }

    /// A master as in the document, of term 1.
    pub(super) fn document_master(members: u8) -> Self {
        let mut bench = Self::document(1, members);
        bench.pass(200);
        assert_eq!(bench.cluster.role(), Role::Master);
        bench.done();
        bench
    }

    /// Member 1 as master of term 1, elected by these.
    pub(super) fn elected(members: u8, supporters: &[u8], change: impl FnOnce(&mut ClusterConfig)) -> Self {
        let mut config = config(1, members, Quorum::Majority, PRODUCTION);
        change(&mut config);
        let mut bench = Self::new(config);
        bench.pass_until(|bench| bench.cluster.role() == Role::Offering);
        bench.pass(100);
        supporters.iter().for_each(|supporter| bench.hear(*supporter, 1, support(1, *supporter)));
        assert_eq!(bench.cluster.role(), Role::Master);
        bench.done();
        bench
    }

    /// A plain member, of master 1 in this term.
    pub(super) fn member(me: u8, members: u8, term: u32, change: impl FnOnce(&mut ClusterConfig)) -> Self {
        let mut config = config(me, members, Quorum::Majority, PRODUCTION);
        change(&mut config);
        let mut bench = Self::new(config);
        bench.hear(1, term, keepalive(1, &[1]));
        bench.hear(1, term, Body::JoinOk { members: 2, watchdog_ms: 200 });
        bench.confirm(term, &[1, me]);
        assert_eq!(bench.cluster.role(), Role::Member);
        bench.done();
        bench
    }

    pub(super) fn hear(&mut self, from: u8, term: u32, body: Body) {
        let header = Header { cluster: 1, sender: id(from), term: Term(term), seq: 0 };
        self.cluster.handle_datagram(ip(from), &header, &body, self.now);
        self.collect();
    }

    /// The master (1) says that it has heard all that this member said.
    pub(super) fn confirm(&mut self, term: u32, members: &[u8]) {
        self.keepalives[1] += 1;
        let mut body = keepalive(self.keepalives[1], members);
        if let Body::MasterKeepalive(keepalive) = &mut body {
            let said = self.cluster.keepalive_seq;
            keepalive.members.iter_mut().for_each(|member| member.heard = said);
            keepalive.table_digest = self.cluster.table.digest();
            keepalive.table_version = self.cluster.table.version();
        }
        self.hear(1, term, body);
    }

    /// A member says that it lives, and that it heard all that this master said.
    pub(super) fn live(&mut self, from: u8) {
        self.live_with(from, |_| {});
    }

    pub(super) fn live_with(&mut self, from: u8, change: impl FnOnce(&mut MemberKeepalive)) {
        let units = self.cluster.table.count(id(from));
        let seq = &mut self.keepalives[usize::from(from)];
        *seq += 1;
        let mut keepalive = MemberKeepalive {
            keepalive_seq: *seq,
            units,
            load: 0,
            table_version: self.cluster.table.version(),
            heard: self.cluster.keepalive_seq,
            leaving: false,
            ready: true,
        };
        change(&mut keepalive);
        let term = self.cluster.view().term.0;
        self.hear(from, term, Body::MemberKeepalive(keepalive));
    }

    fn collect(&mut self) {
        while let Some(mut command) = self.cluster.poll_command() {
            if let Command::Send { body: Body::JoinRequest(request), .. } = &mut command {
                // Looked at by itself: in most tests it would only be noise.
                self.ruled = core::mem::replace(&mut request.ruled, Term(0));
            }
            self.done.push(command);
        }
    }

    /// Something else happens to it.
    pub(super) fn act<T>(&mut self, act: impl FnOnce(&mut Cluster, Instant) -> T) -> T {
        let result = act(&mut self.cluster, self.now);
        self.collect();
        result
    }

    /// Time passes, and it is woken when it wants to be.
    pub(super) fn pass(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        self.collect();
        for _ in 0..1_000_000 {
            let Some(due) = self.cluster.poll_timeout().filter(|due| *due <= end) else {
                self.now = end;
                return;
            };
            self.now = due.max(self.now);
            self.cluster.handle_timeout(self.now);
            self.collect();
        }
        panic!("it does not stop asking for time");
    }

    /// Time passes, and these members live.
    pub(super) fn pass_with(&mut self, millis: u64, members: &[u8]) {
        for _ in 0..millis / 50 {
            self.pass(50);
            members.iter().for_each(|member| self.live(*member));
        }
    }

    pub(super) fn pass_until(&mut self, happens: impl Fn(&Self) -> bool) {
        for _ in 0..2000 {
            if happens(self) {
                return;
            }
            self.pass(1);
        }
        panic!("it does not happen");
    }

    /// What it did since the last look.
    pub(super) fn done(&mut self) -> Vec<Command> {
        self.collect();
        core::mem::take(&mut self.done)
    }

    /// What it said since the last look.
    pub(super) fn said(&mut self) -> Vec<(Destination, u32, Body)> {
        let said = self.done().into_iter().filter_map(|command| match command {
            Command::Send { to, term, body } => Some((to, term.0, body)),
            _ => None,
        });
        said.collect()
    }

    pub(super) fn told(&mut self) -> Vec<Event> {
        events(&self.done())
    }

    /// What the data plane does with a unit.
    pub(super) fn rule(&self, number: u16) -> (Disposition, Disposition, Option<u8>) {
        let (data, dhcp, owner) = self.cluster.shown.get(unit(number));
        (data, dhcp, owner.map(MemberId::get))
    }
}

pub(super) fn events(commands: &[Command]) -> Vec<Event> {
    let events = commands.iter().filter_map(|command| match command {
        Command::Tell(event) => Some(event.clone()),
        _ => None,
    });
    events.collect()
}

/// A keepalive of a master, without a table.
pub(super) fn keepalive(seq: u64, members: &[u8]) -> Body {
    let state = |number: &u8| MemberState { id: id(*number), ip: ip(*number), units: 0, heard: 0, leaving: false };
    Body::MasterKeepalive(MasterKeepalive {
        keepalive_seq: seq,
        n: 2,
        watchdog_ms: 200,
        members: members.iter().map(state).collect(),
        drained: Vec::new(),
        table_version: 9,
        table_digest: 0,
        table: None,
    })
}

pub(super) fn offer(from: u8, members: u8) -> Body {
    Body::MasterOffer(MasterOffer { ip: ip(from), config_version: 5, members })
}

/// A request to join, of a unit that owns nothing.
pub(super) fn request(from: u8) -> JoinRequest {
    JoinRequest {
        ip: ip(from),
        config_version: 5,
        config_digest: 55,
        supports: None,
        holds: 0,
        highest: UnitVersion(0),
        ruled: Term(0),
    }
}

/// The same, in support of an offer, or to that master.
pub(super) fn support(candidate: u8, from: u8) -> Body {
    Body::JoinRequest(JoinRequest { supports: Some(id(candidate)), ..request(from) })
}

pub(super) fn assignment(number: u16, version: u32, owner: u8) -> Assignment {
    Assignment { unit: unit(number), version: UnitVersion(version), owner: id(owner) }
}

pub(super) fn assign(units: &[Assignment]) -> Body {
    Body::UnitAssign { units: units.to_vec(), after: None }
}

pub(super) fn to(number: u8) -> Destination {
    Destination::Member(id(number))
}

pub(super) fn exit(reason: u8) -> Body {
    Body::Exit { reason }
}
