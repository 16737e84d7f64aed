//! Who has told what, and whom it is to be told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::page::{Message, Page};
use crate::member::MemberId;
use crate::time::{Duration, Instant};

/// From one look through the cells to the next.
const PERIOD: Duration = Duration::from_secs(3);
/// Between two parts of it, in which packets have their turn.
const PAUSE: Duration = Duration::from_millis(3);
/// While members tell each other, it is known at most so much later whom they have seen: a period passes until they look, another
/// until they look again, and a look and its answer take their time.
pub(crate) const LAG: Duration = Duration::from_secs(10);

/// What this member knows of whom the others see, and what it has to tell them.
#[derive(Debug)]
pub struct Sightings {
    me: MemberId,
    peers: BTreeMap<MemberId, Peer>,
    /// Who serves. Empty: nobody knows.
    owners: BTreeSet<MemberId>,
    /// Anybody may have been seen until then.
    floor: Instant,
    /// By cell, of DHCPv4 and of DHCPv6: when a page last told of it.
    heard: [Vec<Instant>; 2],
    scan: Option<Scan>,
    /// Number of the last look through the cells, and when it began.
    scans: u64,
    scanned: Instant,
    commands: VecDeque<(MemberId, Message)>,
}

/// A member whose stream stands.
#[derive(Debug)]
struct Peer {
    /// It waits for an answer to this.
    asked: Option<u32>,
    /// The last look that it was told of.
    told: Option<u64>,
    /// What it was asked last, and when.
    question: (u32, Instant),
    /// The first part of the answer has come, and said so about a gap.
    answer: Option<bool>,
    /// We know of everybody whom it saw until then.
    until: Option<Instant>,
}

/// A look through the cells.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    /// Who is told, by which number, and whether it lacks the look before.
    to: Vec<(MemberId, u32, bool)>,
    /// Cells that have seen somebody since then are told of.
    pub(crate) since: Instant,
    /// Of leases of DHCPv6: sessions of DHCPv4 come first.
    pub(crate) six: bool,
    /// The cell to go on from.
    pub(crate) from: u32,
    first: bool,
    next: Instant,
}

/// What is known of when a subscriber was seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight {
    /// The last that anybody told of. [`Instant::ZERO`]: nothing.
    pub(crate) last: Instant,
    /// It may have been seen until then, whoever told what.
    pub(crate) floor: Instant,
    /// All is known until then; `None`: nobody can tell.
    pub(crate) until: Option<Instant>,
}

impl Sight {
    /// The latest by which it may have been seen, as far as that is known; [`Instant::NEVER`] when nobody can tell, or could for the
    /// last time too long ago.
    pub(crate) fn latest(&self, now: Instant) -> Instant {
        let known = self.until.filter(|until| now.since(*until) <= LAG);
        known.map_or(Instant::NEVER, |_| self.last.max(self.floor))
    }
}

impl Sightings {
    /// Nobody has told anything, and before `now` anybody may have seen anybody.
    pub fn new(me: MemberId, now: Instant) -> Self {
        Self {
            me,
            peers: BTreeMap::new(),
            owners: BTreeSet::new(),
            floor: now,
            heard: [Vec::new(), Vec::new()],
            scan: None,
            scans: 0,
            scanned: now,
            commands: VecDeque::new(),
        }
    }

    /// A member's stream stands, or is gone.
    pub fn handle_peer(&mut self, member: MemberId, connected: bool, now: Instant) {
        self.scan.iter_mut().for_each(|scan| scan.to.retain(|(to, ..)| *to != member));
        self.peers.remove(&member);
        if connected {
            let peer = Peer { asked: None, told: None, question: (1, now), answer: None, until: None };
            self.peers.insert(member, peer);
            self.commands.push_back((member, Message::Ask(1)));
        }
    }

    /// Who owns the work units, all of them: nobody else serves subscribers. `None`: that is not certain, while some have no owner
    /// or where two parts of a cluster may go on, each by itself.
    pub fn handle_owners(&mut self, owners: Option<BTreeSet<MemberId>>, now: Instant) {
        let owners = owners.unwrap_or_default();
        if self.owners.is_empty() || !self.owners.is_subset(&owners) {
            // What somebody else saw last it has not told, and may not live to tell.
            self.floor = self.floor.max(now);
        }
        self.owners = owners;
    }

    /// A question.
    pub(crate) fn handle_ask(&mut self, from: MemberId, number: u32) {
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.asked = Some(number);
        }
    }

    /// A subscriber that a page tells of has this cell.
    pub(crate) fn note(&mut self, six: bool, slot: u32, now: Instant) {
        let (heard, place) = (&mut self.heard[usize::from(six)], slot as usize);
        if heard.len() <= place {
            heard.resize(place + 1, Instant::ZERO);
        }
        heard[place] = heard[place].max(now);
    }

    /// A page has come, and all in it are noted.
    pub(crate) fn handle_page(&mut self, from: MemberId, page: &Page, now: Instant) {
        let Some(peer) = self.peers.get_mut(&from).filter(|peer| peer.question.0 == page.number) else { return };
        if page.first {
            peer.answer = Some(page.gap);
        }
        let Some(gap) = peer.answer.take_if(|_| page.last) else { return };
        let (number, asked) = peer.question;
        if gap {
            self.floor = self.floor.max(asked);
        }
        peer.until = Some(asked);
        peer.question = (number.wrapping_add(1), now);
        self.commands.push_back((from, Message::Ask(peer.question.0)));
    }

    /// Until when all is known that anybody saw; `None`: nobody can tell.
    fn until(&self, now: Instant) -> Option<Instant> {
        let is_known = |owner: &MemberId| *owner == self.me || self.peers.contains_key(owner);
        if self.owners.is_empty() || !self.owners.iter().all(is_known) {
            return None;
        }
        // Whoever is connected may begin to serve before it is heard of here.
        self.peers.values().try_fold(now, |until, peer| Some(until.min(peer.until?)))
    }

    /// For how long nobody can tell yet whom others have seen.
    pub(crate) fn lag(&self, now: Instant) -> Duration {
        self.until(now).map_or(LAG, |until| now.since(until))
    }

    /// What is known of a cell whose last packet here was at `own`.
    pub(crate) fn sight(&self, six: bool, slot: u32, own: Option<Instant>, now: Instant) -> Sight {
        let heard = self.heard[usize::from(six)].get(slot as usize).copied().unwrap_or_default();
        let until = own.and_then(|_| self.until(now));
        Sight { last: own.unwrap_or_default().max(heard), floor: self.floor, until }
    }

    /// When to look.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match &self.scan {
            Some(scan) => Some(scan.next),
            None => self.peers.values().any(|peer| peer.asked.is_some()).then(|| self.scanned + PERIOD),
        }
    }

    /// Where to look now, if it is time to.
    pub(crate) fn look(&mut self, now: Instant) -> Option<Scan> {
        if self.scan.is_none() && self.poll_timeout().is_some_and(|due| due <= now) {
            let mut to = Vec::new();
            for (member, peer) in &mut self.peers {
                if let Some(number) = peer.asked.take() {
                    to.push((*member, number, peer.told != Some(self.scans)));
                    peer.told = Some(self.scans + 1);
                }
            }
            let since = core::mem::replace(&mut self.scanned, now);
            self.scans += 1;
            self.scan = Some(Scan { to, since, six: false, from: 0, first: true, next: now });
        }
        self.scan.clone().filter(|scan| scan.next <= now)
    }

    /// Whom a part of the cells has seen, and where to go on: `None` when all were looked at.
    pub(crate) fn found(&mut self, page: Page, next: Option<(bool, u32)>, now: Instant) {
        let Some(scan) = &mut self.scan else { return };
        let (first, last) = (scan.first, next.is_none());
        if first || last || !page.four.is_empty() || !page.six.is_empty() {
            for (to, number, gap) in &scan.to {
                let page = Page { number: *number, gap: *gap && first, first, last, ..page.clone() };
                self.commands.push_back((*to, Message::Page(page)));
            }
            scan.first = false;
        }
        match next {
            Some((six, from)) => (scan.six, scan.from, scan.next) = (six, from, now + PAUSE),
            None => self.scan = None,
        }
    }

    /// What to say to whom.
    pub(crate) fn poll_command(&mut self) -> Option<(MemberId, Message)> {
        self.commands.pop_front()
    }
}
