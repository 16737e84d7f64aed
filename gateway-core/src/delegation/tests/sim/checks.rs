//! What must hold at every step, and at the end.

use super::world::World;
use crate::delegation::block::Use;
use crate::delegation::{Assignment, Delegation, Holder, StandingView};
use crate::subnet::Subnet;

/// What a server may give, to its own hosts or to others, without asking anybody.
pub(super) fn usable(core: &Delegation) -> Vec<Subnet> {
    let is_its = |used: Option<&Use>| matches!(used, None | Some(Use::Offered(_) | Use::Own(_)));
    let active = core.roots.iter().filter(|(_, root)| root.is_active());
    let blocks = active.flat_map(|(subnet, _)| core.space.inside(subnet));
    blocks.filter(|(_, used)| is_its(*used)).map(|(subnet, _)| subnet).collect()
}

impl World {
    /// No address can be used at two servers, nor twice at one: whatever somebody may still use of a subnet is over before it is
    /// assigned, or the address server is told to look.
    pub(super) fn check_alone(&self, index: usize, assignment: &Assignment) {
        let (subnet, now) = (assignment.subnet, self.now);
        for (other, server) in self.servers.iter().enumerate().filter(|(other, _)| *other != index) {
            for (held, busy) in server.hosts.busy().filter(|(held, _)| held.overlaps(&subnet)) {
                assert!(busy <= now, "{now:?}: {subnet} at {index} while {held} at {other} is in use until {busy:?}");
            }
        }
        let forgotten = self.servers[index].hosts.forgotten.iter();
        let left = forgotten.filter(|(place, end)| place.overlaps(&subnet) && *end > now).count();
        assert!(
            left == 0 || assignment.recovered,
            "{now:?}: {index} has forgotten {left} hosts in {subnet}, and does not look before it gives addresses"
        );
    }

    /// What a server may give is nobody else's to give, and no lessee has more than it may.
    pub(super) fn check_space(&mut self, index: usize) {
        let Some(core) = &self.servers[index].core else {
            self.servers[index].usable.clear();
            return;
        };
        core.space.check();
        let mine = usable(core);
        if mine == self.servers[index].usable {
            return;
        }
        for (other, server) in self.servers.iter().enumerate().filter(|(other, _)| *other != index) {
            for theirs in &server.usable {
                let shared = mine.iter().find(|subnet| subnet.overlaps(theirs));
                assert!(shared.is_none(), "{:?}: {shared:?} of {index} is in {theirs} of {other}, too", self.now);
            }
        }
        // One that has lost its table takes in what there is.
        if let Some(quota) = core.config.policy.quota.filter(|_| !self.servers[index].has_lost) {
            for (_, used) in core.space.used() {
                if let Use::Leased(lease) = used {
                    let held = core.holdings(&lease.lessee).held;
                    assert!(held <= quota, "{:?}: {} has {held} of {quota} addresses", self.now, lease.lessee);
                }
            }
        }
        self.servers[index].usable = mine;
    }

    /// All space is back where it was entered, in one piece; what was taken away is nowhere.
    pub(super) fn check_returned(&self) {
        for (index, server) in self.servers.iter().enumerate().filter(|(_, server)| server.config.reserve.is_none()) {
            let view = server.core.as_ref().expect("it has come back").view(self.now);
            let entered = self.entered.iter().filter(|entered| entered.at == index && !entered.removed);
            let entered: Vec<Subnet> = entered.map(|entered| entered.subnet).collect();
            let roots: Vec<Subnet> = view.roots.iter().map(|root| root.subnet).collect();
            assert_eq!(roots, entered, "server {index} has what is not its own");
            for root in &view.roots {
                assert_eq!(root.standing, StandingView::Active, "{} at {index}", root.subnet);
                let whole = matches!(&root.blocks[..], [block] if block.holder == Holder::Pool);
                assert!(whole, "server {index}: not all is back: {:?}", root.blocks);
            }
        }
    }
}
