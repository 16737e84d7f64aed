//! The object as a whole.

use gateway_common::verdict::{Program, Verdict};
use gateway_tests::packets::{Action, Plane, namespace};

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
}
