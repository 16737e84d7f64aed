//! The object as a whole.

use gateway_common::verdict::{Program, Verdict};
use gateway_tests::packets::{Action, Plane, namespace};

/// Instructions that a kernel's verifier may follow in a program: it gives up at a million, and another kernel follows more.
const VERIFIED: u32 = 400_000;

/// The kernel takes both programs, and an empty gateway drops an unknown ethertype.
#[test]
fn both_programs_load() {
    namespace::enter().unwrap();
    let mut plane = Plane::load(16).unwrap();
    let frame = [0; 64];
    let ran = plane.run(Program::Access, &frame).unwrap();
    assert_eq!((ran.action, ran.verdict), (Action::Drop, Verdict::NotServed));
    let ran = plane.run(Program::Upstream, &frame).unwrap();
    assert_eq!((ran.action, ran.verdict), (Action::Pass, Verdict::PassedOther));
    for program in [Program::Access, Program::Upstream] {
        let verified = plane.program(program).unwrap().info().unwrap().verified_instruction_count();
        let verified = verified.expect("Linux 5.16 or later tells");
        println!("{program:?}: {verified} instructions verified");
        assert!((1000..VERIFIED).contains(&verified), "{program:?}: {verified}");
    }
}
