//! The conversation with one server.

use std::collections::VecDeque;

use thiserror::Error;

use super::found::Found;
use super::language::{Heard, Language};
use crate::time::{Duration, Instant};
use crate::wire::dhcp6::leasequery::{Frames, frame};

/// Connections that are tried.
const ATTEMPTS: u8 = 6;
/// Time before the second attempt; it doubles.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a server may say nothing. RFC 5460 and 6926 let a connection be idle for 300 s; nobody waits that long here for
/// sessions.
const SILENCE: Duration = Duration::from_secs(60);
/// How long it may take in all.
const IN_ALL: Duration = Duration::from_secs(900);

/// Why not everything was told.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Failure {
    /// No connection came about, or it broke, as often as it was tried.
    #[error("{0}")]
    Connection(String),
    /// It says nothing.
    #[error("it does not answer")]
    Silent,
    /// It does not answer a question that counts.
    #[error("it refuses to tell: {0}")]
    Refused(String),
    /// What it says can't be read.
    #[error("its answer can't be read: {0}")]
    Unreadable(String),
    /// It tells more leases than could be.
    #[error("it tells more than {0} leases")]
    TooMany(u64),
    /// It takes too long.
    #[error("it takes more than {} minutes", IN_ALL.as_secs() / 60)]
    TooLong,
    /// An operator, or the end of the controller, came before.
    #[error("it was called off")]
    Cancelled,
}

/// How it ended: everything was told, or why not.
pub type Outcome = Result<(), Failure>;

/// What is to be done for a dialogue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Connect to the server, and say when that is done or has failed.
    Connect,
    /// Send these octets.
    Write(Vec<u8>),
    /// End the connection, or the attempt. Nothing is said of it any more.
    Close,
    /// The server tells a lease. What it says is left of it is counted from when it was asked, so it is never too much.
    Found(Found, Instant),
    /// It is over.
    Finished(Outcome),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Waiting(Instant),
    Connecting(Instant),
    Asking(Instant),
    Over,
}

/// See the [module](super).
#[derive(Debug)]
pub struct Dialogue {
    language: Language,
    state: State,
    step: usize,
    xid: u32,
    attempts: u8,
    began: Instant,
    asked: Instant,
    frames: Frames,
    /// The question that is being answered has found something.
    any: bool,
    /// Leases that were told over this connection, and how many there may be.
    told: u64,
    most: u64,
    /// A question was answered.
    answered: bool,
    refused: Option<String>,
    /// A question was refused that only makes a whole with the others: what it is about is missing.
    incomplete: bool,
    commands: VecDeque<Command>,
}

impl Dialogue {
    /// Begins at once. `most` is the number of leases there may be: that are told over one connection, and [in
    /// all](Self::handle_told). `xid` is random.
    pub fn new(language: Language, most: u64, xid: u32, now: Instant) -> Self {
        let mut new = Self {
            language,
            state: State::Waiting(now),
            step: 0,
            xid,
            attempts: 0,
            began: now,
            asked: now,
            frames: Frames::new(u16::MAX),
            any: false,
            told: 0,
            most,
            answered: false,
            refused: None,
            incomplete: false,
            commands: VecDeque::new(),
        };
        new.connect(now);
        new
    }

    /// The connection stands.
    pub fn handle_connected(&mut self, now: Instant) {
        if let State::Connecting(_) = self.state {
            self.ask(now);
        }
    }

    /// Octets came.
    pub fn handle_octets(&mut self, mut octets: &[u8], now: Instant) {
        while let State::Asking(_) = self.state {
            self.state = State::Asking(now + SILENCE);
            let message = match self.frames.next(&mut octets) {
                Ok(Some(message)) => message,
                Ok(None) => return,
                Err(error) => return self.give_up(Failure::Unreadable(error.to_string())),
            };
            match self.language.read(self.wire_xid(), &message) {
                Ok(Heard::Found(found)) => self.found(found),
                Ok(Heard::Last(found)) => {
                    self.found(found);
                    self.answered = true;
                    if self.state != State::Over {
                        self.go_on(self.language.goes_on(self.step, self.any), now);
                    }
                }
                Ok(Heard::Refused(why)) => {
                    self.refused.get_or_insert(why);
                    self.incomplete |= self.step > 0;
                    self.go_on(true, now);
                }
                Ok(Heard::BrokenOff(why)) => {
                    self.commands.push_back(Command::Close);
                    self.again(Failure::Connection(format!("it broke off: {why}")), now);
                }
                Err(why) => self.give_up(Failure::Unreadable(why)),
            }
        }
    }

    /// The connection has ended, or did not come about.
    pub fn handle_closed(&mut self, why: &str, now: Instant) {
        if matches!(self.state, State::Connecting(_) | State::Asking(_)) {
            self.again(Failure::Connection(why.to_owned()), now);
        }
    }

    /// Nobody wants to know any more.
    pub fn cancel(&mut self) {
        if self.state != State::Over {
            self.give_up(Failure::Cancelled);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        match self.state {
            State::Over => {}
            _ if self.began + IN_ALL <= now => self.give_up(Failure::TooLong),
            State::Waiting(until) if until <= now => self.connect(now),
            State::Connecting(until) | State::Asking(until) if until <= now => {
                self.commands.push_back(Command::Close);
                self.again(Failure::Silent, now);
            }
            _ => {}
        }
    }

    /// When [`Self::handle_timeout`] is wanted.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Waiting(until) | State::Connecting(until) | State::Asking(until) => {
                Some(until.min(self.began + IN_ALL))
            }
            State::Over => None,
        }
    }

    /// The next thing to do.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// So many leases were told so far, over all connections; those that were told again count once. Whoever keeps them knows.
    pub fn handle_told(&mut self, leases: u64) {
        if self.state != State::Over && leases > self.most {
            self.give_up(Failure::TooMany(self.most));
        }
    }

    fn connect(&mut self, now: Instant) {
        self.attempts += 1;
        self.told = 0;
        self.state = State::Connecting(now + CONNECT);
        self.frames = Frames::new(u16::MAX);
        self.commands.push_back(Command::Connect);
    }

    fn ask(&mut self, now: Instant) {
        self.xid = self.xid.wrapping_add(1);
        (self.asked, self.any, self.state) = (now, false, State::Asking(now + SILENCE));
        let question = self.language.question(self.step, self.wire_xid());
        match question.and_then(|question| frame(&question).ok()) {
            Some(octets) => self.commands.push_back(Command::Write(octets)),
            None => self.finish(),
        }
    }

    fn wire_xid(&self) -> u32 {
        self.xid & 0x00ff_ffff
    }

    fn found(&mut self, found: Vec<Found>) {
        for found in found {
            self.told += match &found {
                Found::Four(_) => 1,
                Found::Six(found) => found.leases.len() as u64,
            };
            if self.told > self.most {
                return self.give_up(Failure::TooMany(self.most));
            }
            self.any = true;
            self.commands.push_back(Command::Found(found, self.asked));
        }
    }

    /// This question is answered, or never will be.
    fn go_on(&mut self, more: bool, now: Instant) {
        self.step += 1;
        if more { self.ask(now) } else { self.finish() }
    }

    fn finish(&mut self) {
        // Who knows nothing by relay-ids may refuse to tell by them, or tell nothing: then the other questions count.
        match self.refused.take().filter(|_| !self.answered || self.incomplete) {
            Some(why) => self.give_up(Failure::Refused(why)),
            None => self.end(Ok(())),
        }
    }

    /// Asks the same question over a new connection, later.
    fn again(&mut self, why: Failure, now: Instant) {
        if self.attempts >= ATTEMPTS {
            self.end_with(Err(why));
        } else {
            self.state = State::Waiting(now + PAUSE * (1 << (self.attempts - 1)));
        }
    }

    fn give_up(&mut self, why: Failure) {
        self.end(Err(why));
    }

    fn end(&mut self, outcome: Outcome) {
        if !matches!(self.state, State::Waiting(_)) {
            self.commands.push_back(Command::Close);
        }
        self.end_with(outcome);
    }

    /// Without a connection.
    fn end_with(&mut self, outcome: Outcome) {
        self.state = State::Over;
        self.commands.push_back(Command::Finished(outcome));
    }
}
