//! What becomes of a root: asked back, refused, lost; and of everything in it (H-SN-6, H-SN-11).

use super::Delegation;
use super::block::{Left, Stage, Use};
use super::command::Command;
use super::event::{Event, Why};
use super::origin::Standing;
use crate::subnet::Subnet;
use crate::time::Instant;

impl Delegation {
    /// Nothing new from it: the provider wants it back, or the operator (SN-47).
    pub(super) fn deprecate_root(&mut self, root: &Subnet, now: Instant) {
        let Some(state) = self.roots.get_mut(root) else { return };
        if matches!(state.standing, Standing::Deprecated | Standing::Refused) {
            return;
        }
        state.keep_uncertain();
        state.standing = Standing::Deprecated;
        self.persist_root(root);
        self.tell(Event::Deprecated { subnet: *root });
        self.stop(root, Stage::Draining);
        self.pass_on(root);
        self.see_idle(now);
    }

    /// The provider refused to renew it: it may not be used any more (SN-44).
    pub(super) fn refuse_root(&mut self, root: &Subnet, now: Instant) {
        let Some(state) = self.roots.get_mut(root) else { return };
        if state.standing == Standing::Refused {
            return;
        }
        state.keep_uncertain();
        state.standing = Standing::Refused;
        self.persist_root(root);
        self.tell(Event::Lost { subnet: *root, why: Why::Refused });
        self.stop(root, Stage::Gone);
        self.pass_on(root);
        self.see_idle(now);
    }

    /// It is not ours any more, and neither is anything in it.
    pub(super) fn lose_root(&mut self, root: &Subnet, why: Why, now: Instant) {
        self.stop(root, Stage::Gone);
        let inside = self.space.remove_root(root);
        for (subnet, used) in inside {
            if !matches!(used, Use::Offered(_) | Use::Away) {
                self.persist_block(&subnet, now); // it is not there: deleted
            }
        }
        if self.roots.remove(root).is_some() {
            self.persist_root(root);
            self.tell(Event::Lost { subnet: *root, why });
        }
    }

    /// Takes offers back, and tells the address server to stop.
    fn stop(&mut self, root: &Subnet, stage: Stage) {
        let blocks: Vec<Subnet> =
            self.space.inside(root).filter(|(_, used)| used.is_some()).map(|(subnet, _)| subnet).collect();
        for subnet in blocks {
            match self.space.get_mut(&subnet) {
                // What its provider assigns is empty for us: it goes back as it is, and rests there.
                Some(Use::Offered(_) | Use::Away) => drop(self.space.free(&subnet)),
                // The address server may have leases in it also where it was not told anything yet.
                Some(Use::Own(own))
                    if own.stage != stage
                        && own.stage != Stage::Gone
                        && (own.stage != Stage::Untold || stage == Stage::Gone) =>
                {
                    own.stage = stage;
                    self.commands.push_back(match stage {
                        Stage::Gone => Command::Gone { subnet },
                        _ => Command::StopAssigning { subnet },
                    });
                }
                _ => {}
            }
        }
        if stage == Stage::Gone {
            let reserved = self.reserved_in(root);
            reserved.into_iter().for_each(|subnet| self.commands.push_back(Command::Gone { subnet }));
        }
    }

    fn reserved_in(&self, root: &Subnet) -> Vec<Subnet> {
        let reserved = |used: Option<&Use>| match used {
            Some(Use::Leased(lease)) => !lease.delegate,
            Some(Use::Resting(resting)) => resting.left == Left::Untold,
            _ => false,
        };
        self.space.inside(root).filter(|(_, used)| reserved(*used)).map(|(subnet, _)| subnet).collect()
    }

    /// Notes since when roots are wholly in the pool.
    pub(super) fn see_idle(&mut self, now: Instant) {
        for (subnet, root) in &mut self.roots {
            root.idle_since = self.space.is_free(subnet).then(|| root.idle_since.unwrap_or(now));
        }
    }
}
