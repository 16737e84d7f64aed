//! Messages on a TCP connection: each behind its length, two octets (RFC 5460 section 5.1, RFC 6926 section 6.1).

use thiserror::Error;

use crate::wire::dhcp6::HEADER;

/// Why a connection can't go on: nothing that follows can be told apart any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum FrameError {
    /// Longer than the receiver wants.
    #[error("a message of {length} octets, {max} at most")]
    TooLong {
        /// Octets that it has.
        length: usize,
        /// Octets that it may have.
        max: usize,
    },
    /// Too short for a message's header.
    #[error("a message of {0} octets")]
    TooShort(usize),
}

/// A message with its length in front.
pub fn frame(message: &[u8]) -> Result<Vec<u8>, FrameError> {
    let max = usize::from(u16::MAX);
    let length = u16::try_from(message.len()).map_err(|_| FrameError::TooLong { length: message.len(), max })?;
    if message.len() < HEADER {
        return Err(FrameError::TooShort(message.len()));
    }
    Ok([&length.to_be_bytes()[..], message].concat())
}

/// Finds the messages in what a connection brings, however it is cut. It holds one unfinished message and no more.
#[derive(Clone, Debug)]
pub struct Frames {
    max: usize,
    /// Length and message, as far as they came. A length that can't be stays here, so that its error is final.
    begun: Vec<u8>,
}

impl Frames {
    /// For messages of `max` octets at most.
    pub fn new(max: u16) -> Self {
        Self { max: max.into(), begun: Vec::new() }
    }

    /// Takes what is needed off the front of `input` and gives the next message, or `None` when it has taken all and there
    /// is none yet. To be called until it gives `None`. An error is final.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, FrameError> {
        self.take(input, 2);
        let Some((length, _)) = self.begun.split_first_chunk() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes(*length));
        if length < HEADER {
            return Err(FrameError::TooShort(length));
        }
        if length > self.max {
            return Err(FrameError::TooLong { length, max: self.max });
        }
        self.take(input, 2 + length);
        if self.begun.len() < 2 + length {
            return Ok(None);
        }
        let message = self.begun.split_off(2);
        self.begun.clear();
        Ok(Some(message))
    }

    /// Whether everything so far was whole messages: a connection that ends elsewhere was cut.
    pub fn is_between(&self) -> bool {
        self.begun.is_empty()
    }

    /// Moves octets until there are `wanted`.
    fn take(&mut self, input: &mut &[u8], wanted: usize) {
        let missing = wanted.saturating_sub(self.begun.len()).min(input.len());
        let (taken, rest) = input.split_at(missing);
        self.begun.extend_from_slice(taken);
        *input = rest;
    }
}
