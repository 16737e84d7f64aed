//! A cohort that is released individually, page by page.

use core::net::Ipv4Addr;
use std::collections::VecDeque;

use super::command::Fallback;
use super::item::AskFirst;
use super::logins::{Cursor, Individual, Logins};
use crate::scope::Epoch;
use crate::session::CohortId;

/// Logins copied out of the table at a time.
const PAGE: usize = 128;

#[derive(Debug)]
pub(super) struct Work {
    pub(super) server: Ipv4Addr,
    pub(super) cohort: CohortId,
    pub(super) ask_first: AskFirst,
    pub(super) insist: bool,
    /// Logins taken out of the pages that are done with, and those among them that were given up.
    pub(super) handled: u64,
    pub(super) orphaned: u64,
    pager: Pager<Individual>,
}

impl Work {
    pub(super) fn new(server: Ipv4Addr, cohort: CohortId, reason: Fallback) -> Self {
        let ask_first = match reason {
            Fallback::NoReply => AskFirst::IfAnswering,
            Fallback::Remainder { .. } | Fallback::Shortfall { .. } => AskFirst::Yes,
            _ => AskFirst::No,
        };
        Self {
            server,
            cohort,
            ask_first,
            insist: reason == Fallback::NoReply,
            handled: 0,
            orphaned: 0,
            pager: Pager::new(),
        }
    }

    pub(super) fn drained(&self) -> bool {
        self.pager.drained()
    }

    /// The next login.
    pub(super) fn next(&mut self, cutoff: Epoch, logins: &dyn Logins) -> Option<Individual> {
        self.pager.next(|after, most| logins.page(self.cohort, cutoff, after, most))
    }

    /// Nothing of it is left to do.
    pub(super) fn end(&mut self) {
        self.pager.end();
    }
}

/// What a table gives out page by page.
#[derive(Debug)]
pub(crate) struct Pager<T> {
    page: VecDeque<T>,
    cursor: Option<Cursor>,
    exhausted: bool,
}

impl<T> Pager<T> {
    pub(crate) fn new() -> Self {
        Self { page: VecDeque::new(), cursor: None, exhausted: false }
    }

    pub(crate) fn drained(&self) -> bool {
        self.exhausted && self.page.is_empty()
    }

    /// The next one. The next page is fetched before the last one of a page is given out: as long as that one is not
    /// ended, the cursor stays good.
    pub(crate) fn next(
        &mut self,
        mut fetch: impl FnMut(Option<Cursor>, usize) -> (Vec<T>, Option<Cursor>),
    ) -> Option<T> {
        while !self.exhausted && self.page.len() <= 1 {
            let (page, cursor) = fetch(self.cursor, PAGE);
            self.exhausted = cursor.is_none() || page.is_empty();
            self.cursor = cursor;
            self.page.extend(page);
        }
        self.page.pop_front()
    }

    /// Nothing of it is left to do.
    pub(crate) fn end(&mut self) {
        (self.exhausted, self.page) = (true, VecDeque::new());
    }
}
