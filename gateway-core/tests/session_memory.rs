//! What a session costs in memory, measured by an allocator that counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};

use gateway_common::vlan::VlanTags;
use gateway_core::line::{FpcId, HardwareAddress, Line, PortId};
use gateway_core::login::Login;
use gateway_core::member::MemberId;
use gateway_core::scope::{Epoch, ScopeKind};
use gateway_core::session::{SessionConfig, Sessions, ShareConfig};
use gateway_core::time::{Duration, Instant, WallClock};

struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

/// What the allocator really takes: glibc adds a header and rounds up to 16.
fn real(size: usize) -> usize {
    (size + 8).next_multiple_of(16).max(32)
}

// SAFETY: forwards to the system's allocator with unchanged arguments; the counting touches no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(real(layout.size()), Ordering::Relaxed);
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(real(layout.size()), Ordering::Relaxed);
        // SAFETY: the caller's promise about `pointer` and `layout` is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SESSIONS: u32 = 200_000;

/// Octets that each of so many sessions takes.
fn each(share: Option<ShareConfig>) -> usize {
    let now = Instant::ZERO + Duration::from_secs(1000);
    let giaddr = Ipv4Addr::new(100, 64, 0, 1);
    let before = IN_USE.load(Ordering::Relaxed);
    let config = SessionConfig { capacity: SESSIONS, port_limits: Vec::new(), lockout: None };
    let mut sessions = Sessions::new(config, WallClock::new(now, 1_700_000_000_000_000_000), now);
    if let Some(share) = share {
        sessions.share(share, now);
    }
    for number in 0..SESSIONS {
        let [a, b, c, d] = number.to_be_bytes();
        let mut client_id = vec![0xff, a, b, c, d, 0, 1];
        client_id.extend([2; 12]);
        let login = Login {
            address: Ipv4Addr::from(0x6440_0100 + number),
            hardware: HardwareAddress::ethernet([2, 0, a, b, c, d]),
            client_id: Some(client_id.into()),
            line: Line { port: PortId((number % 8) as u16), tags: VlanTags::NONE },
            fpc: FpcId((number % 4) as u16),
            epoch: Epoch(7),
            server: giaddr,
            server_identifier: giaddr,
            giaddr,
            // circuit-id, remote-id, relay-id, capability and scope of usual length
            agent_information: vec![9; 100].into(),
            scope: Some(ScopeKind::Address(giaddr)),
            at: now,
            expires: now + Duration::from_secs(3600 + u64::from(number % 600)),
        };
        sessions.bind(login, now).expect("there is room");
        while sessions.poll_command().is_some() {}
    }
    assert_eq!(sessions.count(), u64::from(SESSIONS));
    (IN_USE.load(Ordering::Relaxed) - before) / SESSIONS as usize
}

/// BR-4, CL-69: the record of a login, its indexes and timers included, takes at most 512 octets at any size of the
/// table, in a cluster too.
#[test]
fn a_session_takes_at_most_512_octets() {
    let me = MemberId::new(1).expect("a number");
    let share = ShareConfig {
        me,
        fpcs: (0..4).map(|n| format!("fpc{n}")).collect(),
        configured: (4, 8),
        unit_key: gateway_common::unit::UnitKey::NONE,
    };
    for (what, share) in [("alone", None), ("in a cluster", Some(share))] {
        let each = each(share);
        println!("{each} octets a session {what}");
        assert!((100..=512).contains(&each), "{each} octets a session");
    }
}
