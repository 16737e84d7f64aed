//! Octets as decisions.

/// What is left of an input. When nothing is, every decision is the first of its kind, so that an input that is cut still ends.
#[derive(Clone, Debug)]
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn octet(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or_default()
    }

    /// One of `0..end`.
    pub(crate) fn below(&mut self, end: u8) -> u8 {
        self.octet() % end.max(1)
    }

    pub(crate) fn number(&mut self) -> u32 {
        u32::from_be_bytes([self.octet(), self.octet(), self.octet(), self.octet()])
    }

    pub(crate) fn chance(&mut self) -> bool {
        self.octet() & 1 == 1
    }

    /// As many octets as one octet says, or as there are.
    pub(crate) fn chunk(&mut self) -> &'a [u8] {
        let length = usize::from(self.octet()).min(self.0.len());
        let (chunk, rest) = self.0.split_at(length);
        self.0 = rest;
        chunk
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Changes a message: a few octets, and perhaps its length. Whether it did.
    pub(crate) fn damage(&mut self, message: &mut Vec<u8>) -> bool {
        let before = message.clone();
        for _ in 0..self.below(4) {
            let at = usize::from(u16::from_be_bytes([self.octet(), self.octet()])) % message.len().max(1);
            let with = self.octet();
            if let Some(octet) = message.get_mut(at) {
                *octet = with;
            }
        }
        match self.below(8) {
            1 => message.truncate(usize::from(self.octet())),
            2 => message.extend_from_slice(self.chunk()),
            _ => {}
        }
        *message != before
    }
}
