//! A transfer in both directions whose every octet is checked, and the longest time in which nothing arrived.

use std::io;
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gateway_user::sctp::Association;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Octets that are read at once, at most.
const READ: usize = 64 << 10;
/// Numbers in one write.
const BATCH: u64 = 1024;
/// Between two writes: an emulated machine has other things to do, too.
const PAUSE: Duration = Duration::from_millis(5);
/// Behind the last number.
const END: u64 = u64::MAX;

/// What a transfer and who looks at it share.
#[derive(Default)]
pub struct Progress {
    stop: AtomicBool,
    octets: AtomicU64,
    heard: Mutex<Option<Instant>>,
    gap: Mutex<Duration>,
}

impl Progress {
    /// Nothing new is sent from now on.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Octets that have arrived in order.
    pub fn octets(&self) -> u64 {
        self.octets.load(Ordering::Relaxed)
    }

    /// The longest time without any since it was asked last; the one that lasts counts, too.
    pub fn take_gap(&self) -> Duration {
        let lasting = self.heard.lock().unwrap().map_or(Duration::ZERO, |heard| heard.elapsed());
        std::mem::take(&mut *self.gap.lock().unwrap()).max(lasting)
    }

    fn hear(&self, octets: usize) {
        let now = Instant::now();
        let before = self.heard.lock().unwrap().replace(now);
        let mut gap = self.gap.lock().unwrap();
        *gap = (*gap).max(before.map_or(Duration::ZERO, |before| now - before));
        self.octets.fetch_add(octets as u64, Ordering::Relaxed);
    }
}

/// Sends numbers in order until it is told to stop, and reads those of the other side, until both sides have stopped.
///
/// # Errors
/// The association ends before, or a number is not the one that is due.
pub async fn transfer(association: Association, progress: &Progress) -> io::Result<()> {
    let (reading, writing) = tokio::io::split(association);
    tokio::try_join!(read(reading, progress), write(writing, progress)).map(drop)
}

async fn write(writing: impl AsyncWrite, progress: &Progress) -> io::Result<()> {
    let mut writing = pin!(writing);
    let mut next = 0;
    while !progress.stop.load(Ordering::Relaxed) {
        let numbers: Vec<u8> = (next..next + BATCH).flat_map(u64::to_be_bytes).collect();
        writing.write_all(&numbers).await?;
        next += BATCH;
        tokio::time::sleep(PAUSE).await;
    }
    writing.write_all(&END.to_be_bytes()).await
}

async fn read(reading: impl AsyncRead, progress: &Progress) -> io::Result<()> {
    let mut reading = pin!(reading);
    let (mut octets, mut next) = (Vec::new(), 0);
    loop {
        // Where there is no room, 64 octets are read at a time.
        octets.reserve(READ);
        let len = reading.read_buf(&mut octets).await?;
        if len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        progress.hear(len);
        let (numbers, rest) = octets.as_chunks();
        for number in numbers {
            match u64::from_be_bytes(*number) {
                END => return Ok(()),
                number if number == next => next += 1,
                number => return Err(io::Error::other(format!("{number} arrived where {next} was due"))),
            }
        }
        let used = octets.len() - rest.len();
        octets.drain(..used);
        // Both directions are one task: where messages come faster than a slow machine reads them, the other would hardly ever
        // have its turn.
        tokio::task::yield_now().await;
    }
}
