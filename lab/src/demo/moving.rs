//! `cargo xtask demo move`: an association that moves from one login to another, and outlives the first one's card.
//!
//! A subscriber has the lines of two cards. The association is the kernel's own SCTP, with a bulk transfer both ways in which every
//! octet is checked. What is told is seen at the peer (its addresses, where it sends), on the server's own interface (one
//! RELEASE), and by the gateway (sessions, the configuration chunks that it has forwarded). It needs a kernel with SCTP: `cargo
//! xtask` plays it in a virtual machine that has one. Anything that is not as told ends the demo with an error.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use gateway_tests::client::Client;
use gateway_tests::dhcp::kind;
use gateway_tests::sctp::{End, GAP, LIMIT, PORT, TwoLines, bound, finish, runtime};
use gateway_tests::wait;
use gateway_user::sctp;
use tokio::runtime::Runtime;

use super::screen::Screen;

/// Octets that show that a transfer goes on.
const SOME: u64 = 200_000;

pub(super) fn run() -> Result<()> {
    let start = Instant::now();
    ensure!(sctp::is_supported(), "this kernel has no SCTP: `cargo xtask demo move` boots one that has it");
    let mut screen = Screen::new();
    screen.title("An association that moves: two lines of one subscriber, and the first one's card restarts");
    let lines = TwoLines::up()?;
    screen.act("The peer is 203.0.113.1 in the internet; the transfer goes both ways all the time");
    Act::begin(&mut screen, lines)?.play(&mut screen)?;
    screen.done(start.elapsed());
    Ok(())
}

struct Act {
    lines: TwoLines,
    runtime: Runtime,
    near: End,
    far: End,
    /// What the kernels call the association.
    ids: (u32, u32),
    old: Ipv4Addr,
    _client: Client,
}

fn at(address: Ipv4Addr) -> SocketAddr {
    (address, PORT).into()
}

fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" and ")
}

impl Act {
    fn begin(screen: &mut Screen, lines: TwoLines) -> Result<Self> {
        let runtime = runtime()?;
        screen.begin("logs in on the first line");
        let (client, old) = lines.log_in(0)?;
        lines.keep_to_first_line(old)?;
        screen.end("logs in on the first line", &format!("{old}, behind fpc0"));

        screen.begin("associates with the peer");
        let [near, far] = lines.associate(&runtime, bound(lines.subscriber(), &[at(old)])?)?;
        ensure!(near.socket.can_change() && far.socket.can_change(), "RFC 5061 is not spoken");
        let ids = (near.id()?, far.id()?);
        let act = Self { lines, runtime, near, far, ids, old, _client: client };
        act.flows()?;
        screen.end(
            "associates with the peer",
            &format!("{} and {}, SCTP, changes authenticated", at(old), TwoLines::peer()),
        );
        Ok(act)
    }

    fn play(self, screen: &mut Screen) -> Result<()> {
        screen.begin("logs in on the second line");
        let (_client, new) = self.lines.log_in(1)?;
        self.lines.stage.gateway.wait_sessions(2, LIMIT)?;
        ensure!(self.far.peers() == [IpAddr::from(self.old)], "the peer knows {}", list(&self.far.peers()));
        screen.end("logs in on the second line", &format!("{new}, behind fpc1; the peer knows {} alone", self.old));

        screen.begin("ADD");
        self.near.socket.add(at(new))?;
        wait::until_true("the peer to know the new address", LIMIT, || self.far.peers().contains(&new.into()))?;
        screen.end("ADD", &format!("the peer knows {}", list(&self.far.peers())));

        screen.begin("SET PRIMARY");
        self.near.socket.ask_for(at(new))?;
        TwoLines::wait_moved(&self.far, new)?;
        let path = self.far.socket.path(at(new))?;
        screen.end("SET PRIMARY", &format!("the peer sends to {new}, round trip {} ms", path.srtt.as_millis()));
        self.flows()?;
        self.gaps();
        self.restart(screen)?;
        self.forget(screen, new)?;
        self.end(screen)
    }

    /// Some more arrives at both ends.
    fn flows(&self) -> Result<()> {
        [&self.near, &self.far].into_iter().try_for_each(|end| end.wait_more(SOME))
    }

    /// The longest times without an octet since it was asked last, down and up.
    fn gaps(&self) -> [Duration; 2] {
        [&self.near, &self.far].map(|end| end.progress.take_gap())
    }

    fn restart(&self, screen: &mut Screen) -> Result<()> {
        let what = "fpc0 restarts";
        screen.begin(what);
        let wire = &self.lines.stage.wire;
        wire.clear();
        let restart = self.lines.restart_first_card()?;
        self.lines.stage.gateway.wait_sessions(1, LIMIT)?;
        let messages = (wire.count(kind::RELEASE), wire.count(kind::BULK_RELEASE_REPLY));
        ensure!(messages == (1, 1), "{} RELEASEs and {} replies on the wire", messages.0, messages.1);
        ensure!(self.lines.stage.gateway.session(self.old)?.is_none(), "{} still has a session", self.old);
        let result = format!("on the wire: 1 RELEASE, 1 reply; {} is logged out, sessions 2 -> 1", self.old);
        screen.end_after(what, restart.took, &result);
        Ok(())
    }

    fn forget(&self, screen: &mut Screen, new: Ipv4Addr) -> Result<()> {
        screen.begin("REMOVE");
        self.near.socket.remove(at(self.old))?;
        TwoLines::wait_only(&self.far, new)?;
        screen.end("REMOVE", &format!("the peer knows {new} alone"));

        screen.begin("the transfer goes on");
        self.flows()?;
        let [down, up] = self.gaps();
        ensure!(down < wait::scaled(GAP) && up < wait::scaled(GAP), "nothing arrived for {down:?} down, {up:?} up");
        ensure!((self.near.id()?, self.far.id()?) == self.ids, "it is another association");
        let millis = |gap: Duration| format!("{} ms", gap.as_millis());
        let gaps = format!("longest gap since before the restart {} down, {} up", millis(down), millis(up));
        screen.end("the transfer goes on", &format!("the same association; {gaps}"));
        Ok(())
    }

    fn end(self, screen: &mut Screen) -> Result<()> {
        screen.begin("the transfer ends");
        let [asconf, ack] = self.lines.configuration_chunks()?;
        ensure!(asconf >= 3 && ack >= 3, "the gateway has forwarded {asconf} configuration chunks and {ack} answers");
        let [down, up] = finish(&self.runtime, [self.near, self.far])?;
        screen.end("the transfer ends", &format!("{down} octets down and {up} up, each in its place"));
        screen.note(&format!("the gateway has forwarded {asconf} configuration chunks and {ack} acknowledgements"));
        Ok(())
    }
}
