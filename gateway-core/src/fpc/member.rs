//! Line cards of a cluster: one member, the keeper, decides on restarts, and the others follow.

use super::card::State;
use super::command::Command;
use super::config::{Cause, LinkEvent};
use super::machine::{Fpcs, Restart};
use super::record::{self, Record};
use crate::line::FpcId;
use crate::time::Instant;

impl Fpcs {
    /// Whether this member decides on restarts from now on. Links that were lost before, and restarts that nobody has
    /// finished, are decided and taken up now.
    pub fn handle_keeper(&mut self, keeper: bool, now: Instant) {
        self.keeper = keeper;
        for fpc in (0..self.cards.len()).map(|place| FpcId(place as u16)) {
            if !keeper {
                self.thaw(fpc); // the next keeper does not know of the announcement
                continue;
            }
            let card = self.card_mut(fpc);
            if let Some((cutoff, decided_at)) = card.restarting {
                let restart = Restart { fpc, cutoff, decided_at, cause: Cause::Resumed };
                self.commands.push_back(Command::Restart(restart));
            }
            let card = self.card_mut(fpc);
            if let State::Lost { since } = card.state {
                // The keeper before saw the same loss.
                if card.told.is_some_and(|told| told + card.config.hold_down >= since) {
                    card.state = State::Down { since };
                } else {
                    let removed = card.links.contains(&Some(LinkEvent::Removed));
                    self.decide(fpc, removed, now);
                }
            }
        }
        if !keeper {
            self.commands.retain(|command| !matches!(command, Command::Restart(_)));
        }
    }

    /// What another member stored of a card. Its epoch never falls, unless ours was only a guess and this is from a
    /// `snapshot`: then nothing was served by it. Of the restart the `newer` word counts. Returns whether ours is ahead of
    /// theirs.
    pub fn handle_replica(&mut self, name: &str, value: &[u8], newer: bool, snapshot: bool, now: Instant) -> bool {
        let Some(place) = self.cards.iter().position(|card| card.config.name == name) else { return false };
        let Some(theirs) = record::decode(value) else { return false };
        let (fpc, clock) = (FpcId(place as u16), self.clock);
        let card = self.card_mut(fpc);
        let (epoch, restarting, frozen) = (card.epoch, card.restarting, card.frozen.is_some());
        card.epoch = if card.fresh && snapshot { theirs.epoch } else { theirs.epoch.max(card.epoch) };
        card.fresh = false;
        if newer {
            card.restarting = theirs.restarting.map(|(cutoff, decided)| (cutoff, clock.from_unix_millis(decided)));
        }
        let ended = theirs.restarting.max(theirs.ended);
        let ended = ended.map(|(cutoff, decided)| (cutoff, clock.from_unix_millis(decided)));
        card.ended = card.ended.max(ended);
        if theirs.restarting.is_some() && theirs.epoch > epoch {
            card.told = Some(now);
            if let State::Lost { since } = card.state {
                card.state = State::Down { since };
            }
        }
        if card.epoch != epoch && !frozen {
            let epoch = card.epoch;
            self.commands.push_back(Command::Thaw { fpc, epoch });
        }
        let card = self.card(fpc);
        if (card.epoch, card.restarting) != (epoch, restarting) {
            let (key, value) = self.record(fpc);
            self.commands.push_back(Command::Adopt { key, value });
        }
        self.card(fpc).epoch > theirs.epoch
    }

    /// Key and value of a card's record.
    pub fn record(&self, fpc: FpcId) -> (Vec<u8>, Vec<u8>) {
        let card = self.card(fpc);
        let logout = |(cutoff, at)| (cutoff, self.clock.to_unix_millis(at));
        let restarting = card.restarting.map(logout);
        // An unfinished one is the last.
        let ended = card.ended.filter(|_| restarting.is_none()).map(logout);
        (record::key(&card.config.name), record::encode(&Record { epoch: card.epoch, restarting, ended }))
    }

    /// The cards by name, whose epochs are more than a guess.
    pub fn known(&self) -> impl Iterator<Item = (FpcId, &str)> {
        let cards = (0..).map(FpcId).zip(&self.cards).filter(|(_, card)| !card.fresh);
        cards.map(|(fpc, card)| (fpc, card.config.name.as_str()))
    }

    /// There is nobody who could know better: guesses count. Returns whose epoch was one: the others, who have guessed
    /// by themselves, are to be told.
    pub fn settle_epochs(&mut self) -> Vec<FpcId> {
        let cards = (0..).map(FpcId).zip(&mut self.cards);
        cards.filter_map(|(fpc, card)| core::mem::take(&mut card.fresh).then_some(fpc)).collect()
    }
}
