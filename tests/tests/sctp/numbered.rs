//! Numbered messages both ways, a thousand a second if nobody wants fewer, and when they arrive.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gateway_user::sctp::Association;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::host::Traffic;

/// From one message to the next.
const EVERY: Duration = Duration::from_millis(1);
/// Number behind the last message.
const END: u64 = u64::MAX;
/// Octets before a message's filling: how many follow these two, its number, when it was sent.
const HEAD: usize = 2 + 8 + 8;
/// Octets that are read at once, at most.
const READ: usize = 64 << 10;
/// Octets that are written at once, at most: more waits for its turn.
const WRITE: usize = 16 << 10;

/// Both ends have one clock: they are of one process.
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A time in which nothing arrived, or in which a message was on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// From the arrival before, or when it was sent.
    pub(crate) from: Instant,
    /// To the one after.
    pub(crate) to: Instant,
}

impl Span {
    /// How long.
    pub(crate) fn length(self) -> Duration {
        self.to - self.from
    }
}

#[derive(Default)]
struct Times {
    last: Option<Instant>,
    longest: Option<Span>,
    /// The message that took longest.
    slowest: Option<Span>,
}

impl Times {
    fn hear(&mut self, now: Instant) {
        let gap = self.last.map(|from| Span { from, to: now });
        self.longest = self.longest.into_iter().chain(gap).max_by_key(|gap| gap.length());
    }
}

/// What both tasks of an end and who looks share.
#[derive(Default)]
pub(crate) struct Numbered {
    stop: AtomicBool,
    /// Milliseconds from one message to the next, beyond [`EVERY`].
    pause: AtomicU64,
    sent: AtomicU64,
    arrived: AtomicU64,
    times: Mutex<Times>,
}

impl Numbered {
    /// Messages that were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// A message less often, from now on.
    pub(crate) fn slow_down(&self, every: Duration) {
        let pause = every.saturating_sub(EVERY).as_millis();
        self.pause.store(u64::try_from(pause).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The longest time without an arrival since it was asked last, the one that lasts included, and the message that took longest
    /// to arrive.
    ///
    /// # Errors
    /// Nothing has ever arrived.
    pub(crate) fn take(&self) -> Result<(Span, Span)> {
        let mut times = self.times.lock().unwrap();
        times.hear(Instant::now());
        times.longest.take().zip(times.slowest.take()).context("nothing has arrived")
    }

    /// What was before is not asked for.
    pub(crate) fn forget(&self) {
        let mut times = self.times.lock().unwrap();
        (times.longest, times.slowest) = (None, None);
    }

    /// `first`: when the first of these messages was sent.
    fn hear(&self, count: u64, first: Duration) {
        let (now, mut times) = (Instant::now(), self.times.lock().unwrap());
        times.hear(now);
        times.last = Some(now);
        let first = Span { from: *BEGAN + first, to: now };
        times.slowest = times.slowest.into_iter().chain([first]).max_by_key(|message| message.length());
        self.arrived.fetch_add(count, Ordering::Relaxed);
    }

    async fn write(&self, writing: impl AsyncWrite) -> Result<()> {
        let mut writing = pin!(writing);
        let (mut due, mut next) = (Instant::now(), 0);
        while !self.stop.load(Ordering::Relaxed) {
            // A machine that stood still has some to catch up with.
            let (now, every) = (Instant::now(), EVERY + Duration::from_millis(self.pause.load(Ordering::Relaxed)));
            let mut octets = Vec::new();
            while due <= now && octets.len() < WRITE {
                message(&mut octets, next);
                (next, due) = (next + 1, due + every);
            }
            writing.write_all(&octets).await?;
            self.sent.store(next, Ordering::Relaxed);
            if due > now {
                tokio::time::sleep(EVERY).await;
            }
        }
        let mut octets = Vec::new();
        message(&mut octets, END);
        Ok(writing.write_all(&octets).await?)
    }

    async fn read(&self, reading: impl AsyncRead) -> Result<()> {
        let mut reading = pin!(reading);
        let (mut octets, mut next) = (Vec::new(), 0);
        loop {
            // Where there is no room, 64 octets are read at a time.
            octets.reserve(READ);
            ensure!(reading.read_buf(&mut octets).await? > 0, "the stream has ended after {next} messages");
            let (mut rest, before, mut first) = (&octets[..], next, None);
            while let Some((number, sent, behind)) = read(rest)? {
                if number == END {
                    return Ok(());
                }
                ensure!(number == next, "message {number} arrived where {next} was due");
                (next, rest) = (next + 1, behind);
                first.get_or_insert(sent);
            }
            if let Some(first) = first {
                self.hear(next - before, first);
            }
            let used = octets.len() - rest.len();
            octets.drain(..used);
            // Both directions are one task: see `gateway_tests::sctp::transfer`.
            tokio::task::yield_now().await;
        }
    }
}

/// Appends a message of this number, sent now. Their lengths differ: one that is lost is not replaced by the next.
fn message(octets: &mut Vec<u8>, number: u64) {
    let filling = 40 + (number % 97) as usize;
    octets.extend(((HEAD - 2 + filling) as u16).to_be_bytes());
    octets.extend(number.to_be_bytes());
    octets.extend((BEGAN.elapsed().as_nanos() as u64).to_be_bytes());
    octets.resize(octets.len() + filling, number as u8);
}

/// The first message's number, when it was sent, and what is behind it; `None`: it is not all there yet.
fn read(octets: &[u8]) -> Result<Option<(u64, Duration, &[u8])>> {
    let Some((head, rest)) = octets.split_first_chunk::<HEAD>() else { return Ok(None) };
    let number = |at: usize| u64::from_be_bytes(head[at..at + 8].try_into().expect("eight octets"));
    let len = usize::from(u16::from_be_bytes([head[0], head[1]])).checked_sub(HEAD - 2).context("no message")?;
    let Some((filling, rest)) = rest.split_at_checked(len) else { return Ok(None) };
    ensure!(filling.iter().all(|octet| *octet == number(2) as u8), "message {} is not what was sent", number(2));
    Ok(Some((number(2), Duration::from_nanos(number(10)), rest)))
}

impl Traffic for Numbered {
    async fn run(&self, association: Association) -> Result<()> {
        let (reading, writing) = tokio::io::split(association);
        tokio::try_join!(self.read(reading), self.write(writing)).map(drop)
    }

    fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }
}
