//! A restart is one plan for DHCPv4 and DHCPv6: one cut-off, one epoch, one hold timer. The card goes on when both
//! halves say so, and it is done with when both are.

use std::collections::BTreeMap;

use super::{Event, Node};
use crate::line::FpcId;
use crate::scope::Epoch;

/// Which releases speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Half {
    Four,
    Six,
}

#[derive(Clone, Copy, Debug)]
struct Plan {
    cutoff: Epoch,
    /// By [`Half`]: whether the card may go on, and with everything released.
    proceed: [Option<bool>; 2],
    finished: [bool; 2],
}

impl Plan {
    fn new(cutoff: Epoch, six: bool) -> Self {
        Self { cutoff, proceed: [None, (!six).then_some(true)], finished: [false, !six] }
    }
}

/// The last plan of each card.
#[derive(Debug, Default)]
pub(super) struct Plans(BTreeMap<FpcId, Plan>);

impl Plans {
    /// A restart was decided. `six`: there is a second half.
    pub(super) fn begin(&mut self, fpc: FpcId, cutoff: Epoch, six: bool) {
        self.0.insert(fpc, Plan::new(cutoff, six));
    }

    /// Another member goes on.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// One half has nothing more against it; whether everything is released, when the other one has not either.
    pub(super) fn may_proceed(
        &mut self,
        half: Half,
        fpc: FpcId,
        cutoff: Epoch,
        complete: bool,
        six: bool,
    ) -> Option<bool> {
        let plan = self.plan(fpc, cutoff, six)?;
        plan.proceed[half as usize] = Some(complete);
        let [four, six] = plan.proceed;
        Some(four? && six?)
    }

    /// One half has done what it could; whether both have.
    pub(super) fn finished(&mut self, half: Half, fpc: FpcId, cutoff: Epoch, six: bool) -> bool {
        let Some(plan) = self.plan(fpc, cutoff, six) else { return false };
        plan.finished[half as usize] = true;
        plan.finished == [true; 2]
    }

    /// The plan of this cut-off, unless a later one has taken its place. A half that was taken up from its journal may speak
    /// before anything else is said about the card.
    fn plan(&mut self, fpc: FpcId, cutoff: Epoch, six: bool) -> Option<&mut Plan> {
        let plan = self.0.entry(fpc).or_insert_with(|| Plan::new(cutoff, six));
        if plan.cutoff < cutoff {
            *plan = Plan::new(cutoff, six);
        }
        (plan.cutoff == cutoff).then_some(plan)
    }
}

impl Node {
    /// One half of a restart's plan is done as far as the card is concerned; `complete`: all is released.
    pub(super) fn may_proceed(&mut self, half: Half, fpc: FpcId, cutoff: Epoch, complete: bool) {
        let Some(complete) = self.plans.may_proceed(half, fpc, cutoff, complete, self.six.is_some()) else { return };
        // A card that lost its links asked nobody.
        let announced = self.fpcs.frozen(fpc).is_some();
        self.fpcs.handle_may_proceed(fpc, cutoff);
        if announced {
            self.tell(Event::RestartMayProceed { fpc, complete });
        }
    }

    /// One half of a restart's plan has done what it could.
    pub(super) fn finished(&mut self, half: Half, fpc: FpcId, cutoff: Epoch) {
        if self.plans.finished(half, fpc, cutoff, self.six.is_some()) {
            self.fpcs.handle_finished(fpc, cutoff);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// the card goes on when both halves say so, and not before; what a half says of an earlier plan counts for
    /// nothing.
    #[test]
    fn both_halves() {
        let (mut plans, fpc) = (Plans::default(), FpcId(0));
        plans.begin(fpc, Epoch(5), true);
        assert_eq!(plans.may_proceed(Half::Four, fpc, Epoch(5), true, true), None);
        assert_eq!(plans.may_proceed(Half::Six, fpc, Epoch(4), true, true), None);
        assert_eq!(plans.may_proceed(Half::Six, fpc, Epoch(5), false, true), Some(false));
        assert!(!plans.finished(Half::Six, fpc, Epoch(5), true));
        assert!(plans.finished(Half::Four, fpc, Epoch(5), true));
        plans.begin(fpc, Epoch(6), true);
        assert!(!plans.finished(Half::Four, fpc, Epoch(6), true));
        assert!(plans.finished(Half::Six, fpc, Epoch(6), true));
        plans.begin(fpc, Epoch(7), false);
        assert_eq!(plans.may_proceed(Half::Four, fpc, Epoch(7), true, false), Some(true));
    }
}
