//! What the kernel tells of what we did ourselves.

use super::lab::{Lab, own};
use crate::association::{PathEvent, PathState};

/// SC-7, H-SC-8: that the primary was set twice is told when both is done, one after the other. It is nobody's wish, and the
/// two are not taken in turns for ever.
#[test]
fn what_was_set_twice_is_told_late() {
    let mut lab = Lab::double();
    lab.path("203.0.113.1", 1, PathState::Inactive, 1000, 20, 6);
    assert_eq!(lab.did()[0], own("203.0.113.2"));
    lab.measure("203.0.113.1", 1, 0, 20);
    lab.peer("203.0.113.1", PathEvent::MadePrimary);
    lab.pass(1);
    assert_eq!(lab.did(), [own("203.0.113.1")], "the peer's wish");
    lab.peer("203.0.113.2", PathEvent::MadePrimary);
    lab.peer("203.0.113.1", PathEvent::MadePrimary);
    lab.pass(60);
    assert_eq!(lab.did(), []);
    // The same after that is a wish again.
    lab.peer("203.0.113.2", PathEvent::MadePrimary);
    lab.pass(1);
    assert_eq!(lab.did(), [own("203.0.113.2")]);
}
