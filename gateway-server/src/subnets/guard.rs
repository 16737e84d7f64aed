//! Whose messages are believed: signatures, and counters that no message repeats (H-SN-20).

use core::time::Duration;
use std::collections::{HashMap, VecDeque};

use gateway_core::delegation::Proven;
use gateway_core::wire::dhcp4::{Message, REPLY, code};
use gateway_core::wire::server_auth::ServerKey;

use crate::server::Command;

/// First octet of the keys of its records: counters by who sent them, and our own under nobody's name.
pub(super) const RECORD_PREFIX: u8 = b'A';

#[derive(Debug)]
pub(super) struct Guard {
    key: Option<ServerKey>,
    /// Our last message.
    sent: u64,
    /// The last message of each server.
    seen: HashMap<Vec<u8>, u64>,
}

impl Guard {
    /// Counters begin with the time, so that they rise even when the disk was lost (as H-BR-14).
    pub(super) fn new<'r>(
        key: Option<ServerKey>,
        records: impl Iterator<Item = (&'r [u8], &'r [u8])>,
        unix: Duration,
    ) -> Self {
        let mut guard = Self { key, sent: unix.as_secs() << 20, seen: HashMap::new() };
        for (name, value) in records {
            let (Some((&RECORD_PREFIX, who)), Ok(value)) = (name.split_first(), value.try_into()) else { continue };
            let last = u64::from_be_bytes(value);
            if who.is_empty() {
                guard.sent = guard.sent.max(last);
            } else {
                guard.seen.insert(who.to_vec(), last);
            }
        }
        guard
    }

    /// The clock has been set meanwhile, perhaps: a server that began in 1970 goes on above what it said in a former life.
    pub(super) fn handle_time(&mut self, unix: Duration) {
        self.sent = self.sent.max(unix.as_secs() << 20);
    }

    /// Whether servers share a key.
    pub(super) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// The next number of ours, and what to write down then.
    pub(super) fn next(&mut self, commands: &mut VecDeque<Command>) -> u64 {
        self.sent += 1;
        commands.push_back(record(&[], self.sent));
        self.sent
    }

    /// Signs a message, if there is a key, and writes down how far the counter is.
    pub(super) fn sign(&mut self, message: &mut Vec<u8>, commands: &mut VecDeque<Command>) -> bool {
        let Some(key) = self.key.clone() else { return false };
        let number = self.next(commands);
        key.sign(message, number);
        true
    }

    /// Whether a message is authentic and new, and what to write down then.
    pub(super) fn check(&mut self, payload: &[u8]) -> (Proven, Option<Command>) {
        let authentic = self.key.as_ref().and_then(|key| key.verify(payload)).zip(sender(payload));
        let Some((counter, who)) = authentic else { return (Proven::No, None) };
        let last = self.seen.entry(who.clone()).or_default();
        if counter <= *last {
            return (Proven::No, None);
        }
        *last = counter;
        (Proven::Yes, Some(record(&who, counter)))
    }
}

/// Who a message is from: a requester's option 61, a provider's option 54.
fn sender(payload: &[u8]) -> Option<Vec<u8>> {
    let message = Message::parse(payload).ok()?;
    let (kind, code) = if message.op() == REPLY { (b'p', code::SERVER_ID) } else { (b'r', code::CLIENT_ID) };
    Some([&[kind][..], &message.option(code)?].concat())
}

fn record(who: &[u8], counter: u64) -> Command {
    Command::Persist { key: [&[RECORD_PREFIX], who].concat(), value: counter.to_be_bytes().to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_core::wire::dhcp4::{Builder, REQUEST, kind};

    fn guard(records: &[(Vec<u8>, Vec<u8>)]) -> Guard {
        let key = ServerKey { id: 1, secret: b"0123456789abcdef"[..].into() };
        Guard::new(Some(key), records.iter().map(|(key, value)| (&key[..], &value[..])), Duration::from_secs(1000))
    }

    fn message() -> Vec<u8> {
        Builder::new(REQUEST).kind(kind::RELEASE).option(code::CLIENT_ID, b"west").finish()
    }

    /// H-SN-20: a message that was seen is not believed again, after a restart neither; the counter rises over a restart, whatever
    /// the clock says.
    #[test]
    fn replays() {
        let (mut ours, mut theirs) = (guard(&[]), guard(&[]));
        let (mut first, mut second, mut commands) = (message(), message(), VecDeque::new());
        assert!(ours.sign(&mut first, &mut commands) && ours.sign(&mut second, &mut commands));
        let (proven, seen) = theirs.check(&second);
        let Some(Command::Persist { key, value }) = seen else { panic!("it is written down") };
        assert_eq!(proven, Proven::Yes);
        assert_eq!([theirs.check(&second).0, theirs.check(&first).0], [Proven::No; 2]);
        assert_eq!(guard(&[(key, value)]).check(&second).0, Proven::No);
        assert_eq!(theirs.check(&message()).0, Proven::No, "unsigned");

        let Some(Command::Persist { key, value }) = commands.pop_back() else { panic!("it is written down") };
        let key = [(key, value)];
        let records = key.iter().map(|(key, value)| (&key[..], &value[..]));
        let mut again = Guard::new(ours.key.clone(), records, Duration::ZERO);
        let mut third = message();
        again.sign(&mut third, &mut commands);
        assert_eq!(theirs.check(&third).0, Proven::Yes);
    }

    /// H-BR-14: a server that lost its store and began before its clock was set is believed again when it is set.
    #[test]
    fn a_clock_that_is_set_late() {
        let (mut theirs, mut commands) = (guard(&[]), VecDeque::new());
        let mut before = message();
        guard(&[]).sign(&mut before, &mut commands);
        assert_eq!(theirs.check(&before).0, Proven::Yes);
        let mut ours = Guard::new(theirs.key.clone(), core::iter::empty(), Duration::ZERO);
        let (mut early, mut late) = (message(), message());
        ours.sign(&mut early, &mut commands);
        assert_eq!(theirs.check(&early).0, Proven::No);
        ours.handle_time(Duration::from_secs(1001));
        ours.sign(&mut late, &mut commands);
        assert_eq!(theirs.check(&late).0, Proven::Yes);
    }

    #[test]
    fn without_a_key_nothing_is_proven() {
        let mut none = Guard::new(None, core::iter::empty(), Duration::ZERO);
        let (mut plain, mut commands) = (message(), VecDeque::new());
        assert!(!none.sign(&mut plain, &mut commands));
        assert_eq!((plain, commands.len()), (message(), 0));
        guard(&[]).sign(&mut message(), &mut commands);
        assert_eq!(none.check(&message()).0, Proven::No);
    }
}
