//! Whom this member's programs saw, for the others, and what those tell.

use std::collections::BTreeSet;

use super::{Command, Node};
use crate::member::MemberId;
use crate::seen::Seen;
use crate::session::Sessions;
use crate::sightings::{Message, Page, Scan};
use crate::time::Instant;
use crate::v6;

/// Cells that are looked at in one go.
const CELLS: usize = 4096;

impl Node {
    /// A member's stream stands, or is gone.
    pub fn handle_peer(&mut self, member: MemberId, connected: bool, now: Instant) {
        let Some(shared) = &mut self.shared else { return };
        shared.sightings.handle_peer(member, connected, now);
        self.say_sightings();
    }

    /// Who owns the work units, all of them: nobody else serves subscribers. `None`: that is not certain, and nobody counts as
    /// silent; so it is before the first call, and where two parts of a cluster may go on, each by itself.
    pub fn handle_owners(&mut self, owners: Option<BTreeSet<MemberId>>, now: Instant) {
        if let Some(shared) = &mut self.shared {
            shared.sightings.handle_owners(owners, now);
        }
    }

    /// What a member says of whom it has seen.
    pub fn handle_sightings(&mut self, from: MemberId, message: Message, now: Instant) {
        let Some(shared) = &mut self.shared else { return };
        match message {
            Message::Ask(number) => shared.sightings.handle_ask(from, number),
            Message::Page(page) => {
                let four = page.four.iter().filter_map(|address| self.sessions.slot(*address));
                four.for_each(|slot| shared.sightings.note(false, slot, now));
                let slot = |prefix| self.six.as_ref()?.sessions.slot(prefix);
                let six = page.six.iter().filter_map(|prefix| slot(*prefix));
                six.for_each(|slot| shared.sightings.note(true, slot, now));
                shared.sightings.handle_page(from, &page, now);
            }
        }
        self.say_sightings();
    }

    /// A cell is another subscriber's from now on. It may have been seen until now: pages that named it before it was known here
    /// were about nobody.
    pub(super) fn begin_cell(&mut self, six: bool, slot: u32) {
        if let Some(shared) = &mut self.shared {
            shared.sightings.note(six, slot, shared.now);
        }
    }

    /// When whoever has a session's cell was last seen, in a cluster by any member, as far as they have told; `None`: not yet. In a
    /// cluster a login counts, too, and what another member saw counts as of when it told.
    pub fn last_seen(&self, slot: u32, now: Instant) -> Option<Instant> {
        Some(self.sights(now).of_session(slot).last).filter(|at| *at > Instant::ZERO)
    }

    /// The same of a lease of DHCPv6.
    pub fn last_seen6(&self, slot: u32, now: Instant) -> Option<Instant> {
        Some(self.sights(now).of_lease(slot).last).filter(|at| *at > Instant::ZERO)
    }

    pub(super) fn sightings_due(&self) -> Option<Instant> {
        self.shared.as_ref()?.sightings.poll_timeout()
    }

    /// Goes on with a look through the cells, if it is time to.
    pub(super) fn look_whom_we_saw(&mut self, now: Instant) {
        let Some(shared) = &mut self.shared else { return };
        let Some(scan) = shared.sightings.look(now) else { return };
        let six = self.six.as_ref().map(|six| &six.sessions);
        let (page, next) = match six.filter(|_| scan.six) {
            Some(six) => page6(&scan, six, &*self.seen),
            None => {
                let (page, next) = page4(&scan, &self.sessions, &*self.seen);
                (page, next.or(six.map(|_| (true, 0))))
            }
        };
        shared.sightings.found(page, next, now);
        self.say_sightings();
    }

    fn say_sightings(&mut self) {
        while let Some((to, message)) = self.shared.as_mut().and_then(|shared| shared.sightings.poll_command()) {
            self.commands.push_back(Command::Sightings { to, message });
        }
    }
}

/// Whom a part of the cells has seen, and where to go on.
type Part = (Page, Option<(bool, u32)>);

fn page4(scan: &Scan, sessions: &Sessions, seen: &dyn Seen) -> Part {
    let mut cells = sessions.iter_from(scan.from);
    let news = cells.by_ref().take(CELLS).filter(|(slot, _)| seen.last_seen(*slot).is_some_and(|at| at >= scan.since));
    let mut four: Vec<_> = news.map(|(_, session)| session.address).collect();
    four.sort_unstable();
    (Page { four, ..Page::default() }, cells.next().map(|(slot, _)| (false, slot)))
}

fn page6(scan: &Scan, sessions: &v6::session::Sessions, seen: &dyn Seen) -> Part {
    let mut cells = sessions.iter_from(scan.from);
    let news = cells.by_ref().take(CELLS);
    let news = news.filter(|(slot, ..)| seen.last_seen6(*slot).is_some_and(|at| at >= scan.since));
    let mut six: Vec<_> = news.map(|(_, lease, _)| lease.prefix).collect();
    six.sort_unstable();
    (Page { six, ..Page::default() }, cells.next().map(|(slot, ..)| (true, slot)))
}
