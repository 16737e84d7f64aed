//! A gateway as it might be: one card up, one being released, one server of each kind. Used by the tests of the
//! command line, of `top` and of the metrics.

#![allow(dead_code, reason = "each test that includes this uses a part of it")]

use super::protocol::*;
use gateway_server::subnets::{BlockRow, RootRow, UsageRow};

pub(crate) fn status() -> Status {
    let verdict = |program: &str, verdict: &str, fate: &str, packets: u64| VerdictCount {
        program: program.to_owned(),
        verdict: verdict.to_owned(),
        fate: fate.to_owned(),
        packets,
        octets: packets * 100,
    };
    let port = |name: &str, fpc: Option<&str>, ifindex, up, xdp: &str| Port {
        name: name.to_owned(),
        fpc: fpc.map(str::to_owned),
        ifindex,
        up,
        xdp: xdp.to_owned(),
    };
    Status {
        version: "0.1.0".to_owned(),
        id: "BNG-0042".to_owned(),
        pid: 4242,
        uptime: 11_520,
        adopted: true,
        capacity: 1 << 20,
        sessions: 1000,
        subscribers: 1200,
        leases6: Some(1500),
        orphaned: 3,
        ports: vec![
            port("fpc0", Some("fpc0"), Some(3), true, "native"),
            port("fpc1", Some("fpc1"), None, false, "detached"),
            port("core0", None, Some(5), true, "generic"),
        ],
        verdicts: vec![
            verdict("access", "forwarded-up", "forwarded", 123_456_789),
            verdict("access", "dhcp-client", "punted", 4000),
            verdict("access", "no-session", "dropped", 17),
            verdict("access", "wrong-mac", "dropped", 0),
            verdict("upstream", "forwarded-down", "forwarded", 987_654_321),
            verdict("upstream", "passed-other", "passed", 12),
            verdict("upstream", "no-session", "dropped", 5),
        ],
        counters: [("logins".to_owned(), 1234), ("dropped-malformed".to_owned(), 2)].into(),
        store: Store { octets: 12 << 20, errors: 0, pending: 0, last_error: None },
        cluster: Some("access-1".to_owned()),
        dhcp_server: Some(dhcp_server()),
        warnings: vec!["core0: native XDP is not to be had, generic instead".to_owned()],
    }
}

pub(crate) fn dhcp_server() -> DhcpServer {
    let counters = [("conflict".to_owned(), 2), ("discover".to_owned(), 450), ("nak".to_owned(), 0)].into();
    let six = [("advertise".to_owned(), 840), ("solicit".to_owned(), 850)].into();
    let six = Some(DhcpServer6 { active: 800, capacity: 4096, known: 820, counters: six });
    let addresses = [("leased".to_owned(), 256), ("free".to_owned(), 3840)].into();
    let subnets = Some(SubnetNumbers { addresses, own_in_use: 0, events: [("subnet-leased".to_owned(), 1)].into() });
    let pool = |name: &str, in_use, held, size| Pool { name: name.to_owned(), in_use, held, size };
    let pools = vec![
        pool("100.64.0.0/21", 400, 3, 2048),
        pool("2001:db8:1::/64", 400, 0, 65536),
        pool("2001:db8:8000::/40 to /56", 400, 0, 65536),
    ];
    let answers = Answers { within_us: vec![(256, 90), (512, 9), (1024, 1), (8_388_608, 0)], sum_us: 20_000 };
    let store = "/var/lib/gateway/leases".to_owned();
    DhcpServer {
        active: 400,
        capacity: 2048,
        known: 410,
        store_ok: true,
        store,
        pools,
        answers,
        counters,
        six,
        subnets,
    }
}

pub(crate) fn fpcs() -> Vec<Fpc> {
    let fpc = |name: &str, state: &str, since, epoch, sessions, orphaned, restarts| Fpc {
        name: name.to_owned(),
        ports: vec![name.to_owned()],
        giaddr: "100.64.0.1".to_owned(),
        link_address6: Some("2001:db8:100::1".to_owned()),
        scope: format!("group {name}"),
        state: state.to_owned(),
        since,
        on_restart: "logout".to_owned(),
        epoch,
        sessions,
        leases6: Some(750),
        orphaned,
        restarts,
    };
    vec![fpc("fpc0", "up", None, 1_767_225_600, 500, 0, 0), fpc("fpc1", "down", Some(12), 1_767_225_601, 500, 3, 1)]
}

pub(crate) fn servers() -> Vec<Server> {
    let server = |address: &str, capability: &str, age, embedded| Server {
        address: address.to_owned(),
        capability: capability.to_owned(),
        age,
        max_scopes: (capability == "capable").then_some(8),
        leasequery: (capability == "capable").then_some(true),
        embedded,
        release_rate: 100,
        sessions: Some(500),
    };
    vec![
        server("192.0.2.2", "capable", Some(754), true),
        server("192.0.2.3", "incapable", Some(3), false),
        server("2001:db8:5e5e:1::1:2", "batches", None, false),
    ]
}

pub(crate) fn releases() -> Vec<Release> {
    vec![
        Release {
            fpc: "fpc1".to_owned(),
            cause: "interface removed".to_owned(),
            cutoff: 1_767_225_600,
            age: 2.5,
            took: None,
            total: 500,
            released: 250,
            orphaned: 0,
            single_logouts: 0,
            individual: 260,
            leases6: Some(ReleaseOf6 { total: 300, released: 100, requests: 7, ..ReleaseOf6::default() }),
            servers: vec![ReleaseAtServer {
                server: "192.0.2.3".to_owned(),
                phase: "individual RELEASEs".to_owned(),
                total: 500,
                released: 250,
            }],
        },
        Release {
            fpc: "fpc0".to_owned(),
            cause: "operator".to_owned(),
            cutoff: 1_767_225_599,
            age: 600.0,
            took: Some(0.012),
            total: 500,
            released: 500,
            single_logouts: 1,
            ..Release::default()
        },
    ]
}

fn association() -> Stream {
    let path = |address: &str, own, state: &str, primary| Path {
        address: address.to_owned(),
        own,
        state: state.to_owned(),
        primary,
        loss: Some(if primary { 0.0 } else { 12.5 }),
        rtt_ms: (!own).then_some(0.4),
        rto_ms: (!own).then_some(200),
        why: None,
    };
    Stream {
        transport: "sctp".to_owned(),
        why: None,
        lasts: Some(221.0),
        paths: vec![
            path("198.51.100.2", false, "active", true),
            path("203.0.113.2", false, "unconfirmed", false),
            path("198.51.100.1", true, "active", true),
        ],
        last: Some(AddressChange {
            change: "ask for 198.51.100.1 as primary".to_owned(),
            why: "a better path".to_owned(),
            done: true,
            ago: 12.0,
        }),
    }
}

pub(crate) fn members() -> Members {
    let member = |id: u8, units, state: &str| Member {
        id,
        name: format!("gw-{}", char::from(b'a' - 1 + id)),
        address: format!("198.51.100.{id}"),
        state: state.to_owned(),
        connected: id == 2,
        units,
        load: (id != 3).then_some(1200),
        loss: (id == 2).then_some(0.5),
        heard_ms: (id == 2).then_some(12),
        behind: (id == 2).then_some(4),
        stream: match id {
            2 => Some(association()),
            3 => Some(Stream::none()),
            _ => None,
        },
    };
    Members {
        cluster: "access-1".to_owned(),
        me: "gw-a".to_owned(),
        role: "master".to_owned(),
        master: Some("gw-a".to_owned()),
        term: 7,
        keeper: Some("gw-b".to_owned()),
        unreplicated: true,
        etcd: Some(Etcd {
            endpoint: "http://192.0.2.10:2379".to_owned(),
            reachable: false,
            since_ms: 4200,
            why: Some("no answer within 1s".to_owned()),
        }),
        certificate_end: Some(1_798_761_600),
        members: vec![member(1, 512, "member"), member(2, 488, "draining"), member(3, 0, "absent")],
        counted: ClusterCounts {
            masterships: 2,
            moved: 341,
            moves: 1536,
            refused: [("forged".to_owned(), 3), ("replayed".to_owned(), 1)].into(),
            sessions_sent: 600,
            changes_sent: 612,
            changes_applied: 300,
            ..ClusterCounts::default()
        },
        ..Members::default()
    }
}

/// Ours 512, gw-b's 488 with two on their way, 24 nobody's.
pub(crate) fn units(list: bool) -> Units {
    let owner = |unit: u16| match unit {
        0..512 => 1,
        512..1000 => 2,
        _ => 0,
    };
    let name = |owner| match owner {
        0 => None,
        owner => Some(format!("gw-{}", char::from(b'a' - 1 + owner as u8))),
    };
    let row = |unit: u16| Unit {
        unit,
        owner: owner(unit),
        name: name(owner(unit)),
        since: Some(f64::from(unit)),
        version: u32::from(unit) + 7,
        moves: u32::from(unit < 512) + 1,
        moving: unit == 600 || unit == 601,
        held: unit == 601 || unit >= 1000,
        sessions: 1,
    };
    let share = |id: u16, units: u32, moving, moves, load| Share {
        id,
        name: name(id).unwrap_or("nobody".to_owned()),
        units,
        moving,
        moves,
        sessions: units.into(),
        load,
        newest: (id == 1 || id == 2).then_some(3.0),
        oldest: (id == 1 || id == 2).then_some(11_520.0),
    };
    Units {
        cluster: Some("access-1".to_owned()),
        member: 1,
        owners: (0..1024).map(owner).collect(),
        fenced: false,
        held: 25,
        moving: vec![600, 601],
        moves: 1536,
        members: vec![
            share(1, 512, 0, 1024, Some(1200)),
            share(2, 488, 2, 488, None),
            share(3, 0, 0, 0, None),
            share(0, 24, 0, 24, None),
        ],
        units: if list { (0..1024).map(row).collect() } else { Vec::new() },
    }
}

pub(crate) fn session(number: u32) -> Session {
    Session {
        address: Some(std::net::Ipv4Addr::from(0x6440_000a + number).to_string()),
        mac: format!("02:00:00:00:{:02x}:{:02x}", number >> 8 & 255, number & 255),
        client_id: Some("0102000000000a".to_owned()),
        fpc: "fpc0".to_owned(),
        port: "fpc0".to_owned(),
        vlan: "88a8:100.7".to_owned(),
        epoch: 1_767_225_600,
        server: Some("192.0.2.2".to_owned()),
        scope: Some("address 100.64.0.1".to_owned()),
        age: 120,
        expires_in: Some(3480),
        state: if number == 7 { "orphaned" } else { "live" }.to_owned(),
        idle: Some(2),
        up_packets: 1000,
        up_octets: 1_234_567,
        down_packets: 2000,
        down_octets: 98_765_432,
        leases6: if number == 7 { vec![lease(number)] } else { Vec::new() },
    }
}

fn lease(number: u32) -> Lease6 {
    Lease6 {
        prefix: format!("2001:db8:{:x}00::/56", 0x80 + number),
        kind: "pd".to_owned(),
        iaid: Some(0),
        duid: "0003000102000000000a".to_owned(),
        server: "2001:db8:0:1::2".to_owned(),
        expires_in: Some(7200),
        state: "live".to_owned(),
        up_octets: 1_234_567,
        ..Lease6::default()
    }
}

pub(crate) fn drops() -> Vec<DropSample> {
    vec![DropSample {
        number: 1,
        age_ms: 1200,
        port: "fpc0".to_owned(),
        verdict: "no-session".to_owned(),
        length: 60,
        octets: "ffffffffffff0200000000010800450000200000000040110000640000020808080815b30035000c0000".to_owned(),
    }]
}

pub(crate) fn events() -> Vec<Event> {
    vec![Event {
        number: 1,
        age_ms: 12_000,
        kind: "restart".to_owned(),
        text: "fpc1 restarts (interface removed): 500 sessions up to epoch 1767225600 log out".to_owned(),
    }]
}

pub(crate) fn recovery() -> Recovery {
    let side = |port: &str, expires_in| Side {
        port: Some(port.to_owned()),
        vlan: "100.7".to_owned(),
        mac: Some("02:00:00:00:00:01".to_owned()),
        expires_in,
    };
    let difference = |lease: &str, what: &str, there, here, done: &str| Difference {
        lease: lease.to_owned(),
        what: what.to_owned(),
        there,
        here,
        done: done.to_owned(),
    };
    Recovery {
        server: "192.0.2.2".to_owned(),
        purpose: "restore".to_owned(),
        age: 3,
        outcome: Some("complete".to_owned()),
        complete: true,
        told: 1002,
        same: 1000,
        only_there: 1,
        only_here: 1,
        other: 1,
        restored: 1,
        extended: 0,
        refused: 0,
        unreadable: 0,
        cut_off: 0,
        differences: vec![
            difference("100.64.0.7", "only-there", Some(side("eth1", Some(3600))), None, "restored"),
            difference("100.64.0.8", "line", Some(side("eth1", Some(60))), Some(side("eth2", None)), "left alone"),
            difference("2001:db8:8000::/56", "only-here", None, Some(side("eth2", Some(60))), "left alone"),
        ],
    }
}

pub(crate) fn leases() -> Vec<gateway_server::exchange::Row> {
    let table = format!(
        "{}{}",
        gateway_server::exchange::csv::heading(),
        "100.64.0.10,active,02:00:00:00:00:01,01020000000001,,,2026-11-22T00:00:00Z,,never,100.64.0.1,,,\
         BNG-0042/address:100.64.0.1/7,,\n\
         100.64.0.11,released,02:00:00:00:00:02,,,,2026-11-22T00:00:00Z,,,,,,,,\n\
         2001:db8:8000:100::/56,active,,,00030001020000000001,7,2026-11-22T00:00:00Z,never,never,2001:db8:100::1,,,\
         BNG-0042/group:a-rather-long-name-of-a-card/7,,\n"
    );
    let read = gateway_server::exchange::read(gateway_server::exchange::Format::Csv, table.as_bytes());
    read.expect("a table").leases.iter().map(|(_, lease)| lease.into()).collect()
}

/// A /20 of which another server has a part.
fn subnets() -> SubnetsView {
    let block = |subnet: &str, state: &str, size, usage| BlockRow {
        subnet: subnet.to_owned(),
        state: state.to_owned(),
        holder: (state == "leased").then(|| "west".to_owned()),
        address: (state == "leased").then_some([192, 0, 2, 7].into()),
        expires: (state == "leased").then_some(300_000),
        wanted: false,
        size,
        routes: (state == "own").then_some(12),
        usage,
    };
    let usage = UsageRow { in_use: 180, high_water: 201, unusable: 1 };
    SubnetsView {
        id: "BNG-0042".to_owned(),
        address: [192, 0, 2, 2].into(),
        asking: false,
        recovering: false,
        scarce: false,
        need: 0,
        roots: vec![RootRow {
            subnet: "100.96.0.0/20".to_owned(),
            provider: None,
            standing: "active".to_owned(),
            rests: None,
            expires: None,
            renews: None,
            max_lease: Some(2_592_000),
            size: 4096,
            free: 3840,
            routes: Some(12),
            usage,
            blocks: vec![
                block("100.96.0.0/24", "leased", 256, Some(usage)),
                block("100.96.1.0/24", "own", 256, None),
                block("100.96.2.0/23", "free", 512, None),
                block("100.96.4.0/22", "free", 1024, None),
                block("100.96.8.0/21", "free", 2048, None),
            ],
        }],
    }
}

/// The answer of this gateway.
pub(crate) fn answer(request: Request) -> Response {
    match request {
        Request::Status => Response::Status(Box::new(status())),
        Request::Sessions { from, max, fpc, port, mac, orphaned } => {
            let all = (from..1000).map(session).filter(|session| !orphaned || session.state == "orphaned");
            let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
            let all =
                all.filter(|session| is(&fpc, &session.fpc) && is(&port, &session.port) && is(&mac, &session.mac));
            let sessions: Vec<_> = all.take(max.min(300) as usize).collect();
            let next = (!orphaned && from + 300 < 1000 && !sessions.is_empty()).then_some(from + 300);
            Response::Sessions(SessionPage { sessions, next })
        }
        Request::Session { address } => {
            let mut all = (0..1000).map(session);
            let found = all.find(|session| session.address == Some(address.to_string()));
            Response::Sessions(SessionPage { sessions: found.into_iter().collect(), next: None })
        }
        Request::Leases { from, filter } => {
            let all = leases().into_iter().filter(|row| filter.admits(&row.lease().expect("a lease")));
            let (leases, next) = match from {
                0 => (all.take(1).collect(), Some(2)),
                _ => (all.skip(1).collect(), None),
            };
            Response::Leases(LeasePage { leases, next })
        }
        Request::RenewLease { address } => Response::Done(format!("the client of {address} was told to renew")),
        Request::Subnets | Request::AddSubnet { .. } | Request::RemoveSubnet { .. } => Response::Subnets(subnets()),
        Request::AccessRoutes { subnets } => Response::AccessRoutes(vec![12; subnets.len()]),
        Request::DhcpServer => Response::DhcpServer(dhcp_server()),
        Request::Fpcs => Response::Fpcs(fpcs()),
        Request::Servers => Response::Servers(servers()),
        Request::Releases => Response::Releases(releases()),
        Request::Units { list } => Response::Units(units(list)),
        Request::Members => Response::Members(Box::new(members())),
        Request::Drain { member, .. } => Response::Done(format!("the units of {member} move to the others")),
        Request::Drops { after } => Response::Drops(if after == 0 { drops() } else { Vec::new() }),
        Request::Events { after, .. } => Response::Events(if after == 0 { events() } else { Vec::new() }),
        Request::Release { address } => match session(0).address == Some(address.to_string()) {
            true => Response::Done(format!("a RELEASE for {address} is on its way to 192.0.2.2")),
            false => Response::Error("no session has this address".to_owned()),
        },
        Request::RestartFpc { fpc, policy } => match fpc.as_str() {
            "fpc0" | "fpc1" => {
                let logout = policy != Some(RestartPolicy::Maintain);
                Response::Restart(Restart { fpc, sessions: 500, leases6: Some(300), logout, hold_ms: 5000 })
            }
            _ => Response::Error("there is no such FPC; there are fpc0, fpc1".to_owned()),
        },
        Request::Recover { .. } => Response::Done("2 servers are asked".to_owned()),
        Request::Recoveries => Response::Recoveries(vec![recovery()]),
        Request::Probe { server } => Response::Done(format!("a PROBE is on its way to {server}")),
    }
}
