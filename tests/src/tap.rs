//! A stranger on the cluster's link: it hears what a member says, and says what it likes.

use crate::fleet::PacketSocket;
use crate::lab::Lab;
use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// Octets before the UDP payload: Ethernet, IPv4 without options, UDP.
const HEADERS: usize = 14 + 20 + 8;
/// UDP port of control messages.
const PORT: u16 = 16067;

/// Types of control messages.
pub mod kind {
    #![allow(missing_docs, reason = "names of the wire reference")]
    pub const MASTER_KEEPALIVE: u8 = 6;
    pub const MEMBER_KEEPALIVE: u8 = 7;
    pub const EXIT: u8 = 8;
}

/// The far end of a member's port to the cluster's link.
#[derive(Debug)]
pub struct Tap(PacketSocket);

impl Tap {
    /// Of this member.
    pub fn open(lab: &Lab, member: u8) -> Result<Self> {
        Ok(Tap(lab.core.run(|| PacketSocket::open(&format!("m{member}clu")))??))
    }

    /// The next control message of this type that the member says.
    pub fn hear(&mut self, kind: u8, limit: Duration) -> Result<Control> {
        let limit = crate::wait::scaled(limit);
        let end = Instant::now() + limit;
        let mut found = None;
        while found.is_none() {
            self.0.receive(|frame| {
                if found.is_none() {
                    found = Control::parse(frame).filter(|control| control.kind() == kind);
                }
            });
            if Instant::now() > end {
                bail!("no control message of type {kind} within {limit:?}");
            }
            self.0.wait(Duration::from_millis(5));
        }
        found.ok_or_else(|| anyhow::anyhow!("found, and lost"))
    }

    /// Forget what was said so far.
    pub fn forget(&mut self) {
        while self.0.receive(|_| {}) > 0 {}
    }

    /// Let the member hear something.
    pub fn say(&mut self, control: &Control) -> Result<()> {
        anyhow::ensure!(self.0.send(std::slice::from_ref(&control.0)) == 1, "the link takes no frame");
        Ok(())
    }
}

/// A control message in its frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Control(Vec<u8>);

impl Control {
    fn parse(frame: &[u8]) -> Option<Self> {
        let is_udp = frame.get(12..14)? == [8, 0] && frame.get(14)? & 0x0f == 5 && *frame.get(23)? == 17;
        let port = u16::from_be_bytes(frame.get(36..38)?.try_into().ok()?);
        (is_udp && port == PORT && frame.get(HEADERS..HEADERS + 4)? == b"GWC1").then(|| Control(frame.to_vec()))
    }

    /// Its type.
    pub fn kind(&self) -> u8 {
        self.0[HEADERS + 5]
    }

    /// The number that its sender gave it.
    pub fn seq(&self) -> u64 {
        u64::from_be_bytes(self.0[HEADERS + 20..HEADERS + 28].try_into().expect("eight octets"))
    }

    /// The same with other octets in it, `at` so many from its beginning. Its MAC is what it was.
    #[must_use]
    pub fn with(&self, at: usize, octets: &[u8]) -> Self {
        let mut frame = self.0.clone();
        frame[HEADERS + at..HEADERS + at + octets.len()].copy_from_slice(octets);
        // No checksum (RFC 768): what was sent is what counts.
        frame[HEADERS - 2..HEADERS].fill(0);
        Control(frame)
    }

    /// The same as the newest thing its sender has said.
    #[must_use]
    pub fn newer(&self) -> Self {
        self.with(20, &(self.seq() + (1 << 32)).to_be_bytes())
    }

    /// Only its first octets.
    #[must_use]
    pub fn cut(&self, octets: usize) -> Self {
        let mut frame = self.0[..HEADERS + octets].to_vec();
        frame[38..40].copy_from_slice(&((8 + octets) as u16).to_be_bytes());
        frame[HEADERS - 2..HEADERS].fill(0);
        frame[16..18].copy_from_slice(&((28 + octets) as u16).to_be_bytes());
        frame[24..26].fill(0);
        let words = frame[14..34].chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
        let sum: u32 = words.sum();
        let sum = (sum & 0xffff) + (sum >> 16);
        frame[24..26].copy_from_slice(&(!(((sum & 0xffff) + (sum >> 16)) as u16)).to_be_bytes());
        Control(frame)
    }

    /// Octets of the message.
    pub fn length(&self) -> usize {
        self.0.len() - HEADERS
    }
}
