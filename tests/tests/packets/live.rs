//! The tables again, by frames on a wire: both programs attached to veths, in native and in generic mode.
//!
//! ```text
//!  in0p ─veth─ in0: access   ┐             ┌ core0 ─veth─ core0p
//!  up0p ─veth─ up0: upstream ┴ the gateway ┴ fpc1  ─veth─ fpc1p
//! ```
//!
//! Frames are sent on `in0p` and `up0p`. What the gateway sends is heard at the far ends, and what it passes to the
//! kernel on `in0` and `up0`, where a packet socket hears a frame after XDP.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use aya::programs::XdpMode;
use gateway_common::verdict::{Program, Verdict};
use gateway_tests::fleet::PacketSocket;
use gateway_tests::fleet::ether::Arp;
use gateway_tests::packets::{Action, Case, INGRESS, Lent, namespace};
use gateway_tests::{pass, wait};

use crate::{addressed, arp, data, dhcp, garbage, shared, world};

const IN: u32 = 13;
const UP: u32 = 14;
/// How long a frame may take.
const LIMIT: Duration = Duration::from_secs(5);
/// How long what must not come is waited for.
const SILENCE: Duration = Duration::from_millis(10);

struct Wire {
    plane: Lent,
    near: [PacketSocket; 2],
    stack: [PacketSocket; 2],
    far: [PacketSocket; 2],
    _pass: [OwnedFd; 4],
}

/// What was heard since a frame was sent.
#[derive(Default)]
struct Heard {
    passed: Vec<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

impl Wire {
    fn new(mode: XdpMode) -> Result<Self> {
        let mut plane = world::new();
        for (name, index) in [("in0", IN), ("up0", UP)] {
            namespace::veth(name, index, &world::mac(world::GATEWAY_MAC))?;
            // Room for frames that are too large for the other ports.
            namespace::ip(&format!("link set {name} mtu 2000"))?;
            namespace::ip(&format!("link set {name}p mtu 2000"))?;
        }
        let open = PacketSocket::open;
        let pass = [pass::attach("in0p")?, pass::attach("up0p")?, pass::attach("core0p")?, pass::attach("fpc1p")?];
        plane.attach(Program::Access, IN, mode)?;
        plane.attach(Program::Upstream, UP, mode)?;
        Ok(Self {
            plane,
            near: [open("in0p")?, open("up0p")?],
            stack: [open("in0")?, open("up0")?],
            far: [open("core0p")?, open("fpc1p")?],
            _pass: pass,
        })
    }

    fn run(&mut self, case: &Case) -> Result<()> {
        world::reset(&mut self.plane)?;
        (case.set_up)(&mut self.plane)?;
        self.plane.move_routes(INGRESS, IN)?;
        let (index, near) = match case.program {
            Program::Access => (IN, 0),
            Program::Upstream => (UP, 1),
        };
        self.plane.move_port(INGRESS, index)?;
        self.listen(&mut Heard::default());
        let before = self.plane.counters(case.program)?;
        ensure!(self.near[near].send(std::slice::from_ref(&case.packet)) == 1, "not sent");

        let mut heard = Heard::default();
        let mut counted = Vec::new();
        let wanted = case.out.as_ref().unwrap_or(&case.packet);
        self.until(&mut heard, wait::scaled(LIMIT), |wire, heard| {
            counted = wire.verdicts(case.program, &before)?;
            let there = match case.action {
                Action::Drop => true,
                Action::Pass => !heard.passed.is_empty(),
                Action::Tx | Action::Redirect => heard.sent.contains(wanted),
            };
            Ok(there && !counted.is_empty())
        })?;
        self.until(&mut heard, SILENCE, |_, _| Ok(false))?;
        let octets = case.packet.len() as u64;
        ensure!(counted == [(case.verdict, 1, octets)], "counted {counted:?}, not {:?}, {octets} octets", case.verdict);
        let copies = heard.sent.iter().filter(|frame| *frame == wanted).count();
        let as_told = match case.action {
            Action::Drop => heard.passed.is_empty() && heard.sent.is_empty(),
            Action::Pass => heard.passed == [wanted.clone()],
            Action::Tx | Action::Redirect => heard.passed.is_empty() && copies == 1,
        };
        if !as_told {
            bail!("not {:?} of {wanted:02x?}\n  passed {:02x?}\n  sent {:02x?}", case.action, heard.passed, heard.sent);
        }
        Ok(())
    }

    /// The verdicts that were counted since, with packets and octets.
    fn verdicts(
        &self,
        program: Program,
        before: &[gateway_common::verdict::Counter],
    ) -> Result<Vec<(Verdict, u64, u64)>> {
        let rows = Verdict::ALL.iter().zip(self.plane.counters(program)?).zip(before);
        let news = rows.map(|((verdict, is), was)| (*verdict, is.packets - was.packets, is.octets - was.octets));
        Ok(news.filter(|(_, packets, _)| *packets != 0).collect())
    }

    fn until(
        &mut self,
        heard: &mut Heard,
        limit: Duration,
        mut so: impl FnMut(&Self, &Heard) -> Result<bool>,
    ) -> Result<()> {
        let deadline = Instant::now() + limit;
        while !so(self, heard)? && Instant::now() < deadline {
            self.listen(heard);
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn listen(&mut self, heard: &mut Heard) {
        for socket in &mut self.stack {
            socket.receive(|frame| heard.passed.push(frame.to_vec()));
        }
        for socket in self.near.iter_mut().chain(&mut self.far) {
            socket.receive(|frame| {
                // The kernel itself looks for the neighbours of what it was passed.
                if Arp::parse(frame).is_none_or(|arp| arp.is_reply) {
                    heard.sent.push(frame.to_vec());
                }
            });
        }
    }
}

fn check(mode: XdpMode) -> Result<()> {
    let mut wire = Wire::new(mode)?;
    let tables = [
        data::going_up(),
        data::with_priority(),
        data::left_to_the_kernel(),
        data::going_across(),
        data::going_down(),
        data::bound(),
        arp::asked(),
        dhcp::directed(),
        garbage::lying(),
        addressed::passed(),
        shared::answered(),
        shared::unanswered(),
    ];
    let cases: Vec<_> = tables.iter().flatten().collect();
    assert!(cases.len() > 90, "only {} cases", cases.len());
    let failures: Vec<_> = cases
        .iter()
        .filter_map(|case| wire.run(case).with_context(|| case.name).err())
        .map(|error| format!("{error:#}"))
        .collect();
    assert!(failures.is_empty(), "{} of {} cases failed:\n{}", failures.len(), cases.len(), failures.join("\n"));
    Ok(())
}

/// Attached in the driver.
#[test]
fn in_native_mode() -> Result<()> {
    check(XdpMode::Driver)
}

/// Attached in the network stack: slower, but not different, tags and all.
#[test]
fn in_generic_mode() -> Result<()> {
    check(XdpMode::Skb)
}
