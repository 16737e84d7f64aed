//! A row of a packet table.

use anyhow::Result;
use gateway_common::verdict::{Program, Verdict};

use super::{Action, Plane};

/// One packet in, and what is to come of it.
pub struct Case {
    /// What is shown, as a short sentence.
    pub name: &'static str,
    /// The program it goes into.
    pub program: Program,
    /// How the maps differ from the table's own.
    pub set_up: fn(&mut Plane) -> Result<()>,
    /// The frame that goes in.
    pub packet: Vec<u8>,
    /// What the kernel is told to do.
    pub action: Action,
    /// The frame that comes out; `None` when it is the one that went in.
    pub out: Option<Vec<u8>>,
    /// The verdict that is counted, and no other.
    pub verdict: Verdict,
}

/// Runs every case on maps fresh from `world`, and reports all that fail together.
///
/// # Panics
///
/// When a case fails.
pub fn check(plane: &mut Plane, world: fn(&mut Plane) -> Result<()>, cases: &[Case]) {
    let mut failures = Vec::new();
    for case in cases {
        let ran = world(plane).and_then(|()| (case.set_up)(plane)).and_then(|()| plane.run(case.program, &case.packet));
        let wanted = (case.action, case.verdict, case.out.as_ref().unwrap_or(&case.packet));
        match ran {
            Ok(ran) if (ran.action, ran.verdict, &ran.frame) == wanted => {}
            Ok(ran) => failures.push(format!(
                "{}: wanted {:?} {:?}\n  {}\n got {:?} {:?}\n  {}",
                case.name,
                wanted.0,
                wanted.1,
                hex(wanted.2),
                ran.action,
                ran.verdict,
                hex(&ran.frame)
            )),
            Err(error) => failures.push(format!("{}: {error:#}", case.name)),
        }
    }
    assert!(failures.is_empty(), "{} of {} cases failed:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

/// Its beginning.
fn hex(frame: &[u8]) -> String {
    gateway_core::hex(&frame[..frame.len().min(96)])
}
