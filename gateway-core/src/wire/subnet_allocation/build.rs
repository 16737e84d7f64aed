//! Sub-options to octets.

use super::{Block, InformationFlags, Request, flag, sub};

/// Builds the value of an option 220.
#[derive(Clone, Debug)]
pub struct AllocationBuilder {
    octets: Vec<u8>,
    overlong: bool,
}

impl AllocationBuilder {
    /// The flags, all zero, and nothing else.
    pub fn new() -> Self {
        Self { octets: vec![0], overlong: false }
    }

    /// Appends a Subnet-Request.
    pub fn request(mut self, request: Request) -> Self {
        let flags = set(request.delegate, flag::DELEGATE) | set(request.earlier, flag::EARLIER_REQUEST);
        self.octets.extend_from_slice(&[sub::REQUEST, 2, flags, if request.earlier { 0 } else { request.prefix }]);
        self
    }

    /// Appends a Subnet-Information, unless there are no blocks.
    pub fn information(mut self, flags: InformationFlags, blocks: &[Block]) -> Self {
        if blocks.is_empty() {
            return self;
        }
        let mut value = vec![set(flags.more, flag::MORE) | set(flags.earlier, flag::EARLIER_INFORMATION)];
        for block in blocks {
            let statistics = block.statistics.octets();
            value.extend_from_slice(&block.subnet.base().octets());
            let flags = set(block.deprecate, flag::DEPRECATE) | set(block.delegate, flag::DELEGATED);
            value.extend_from_slice(&[block.subnet.prefix(), flags, statistics.len() as u8]); // at most 6
            value.extend(statistics);
        }
        self.push(sub::INFORMATION, &value);
        self
    }

    /// Appends a Subnet-Name.
    pub fn name(mut self, name: &str) -> Self {
        self.push(sub::NAME, name.as_bytes());
        self
    }

    /// Appends a Suggested-Lease-Time, in seconds.
    pub fn suggested_lease(mut self, seconds: u32) -> Self {
        self.push(sub::SUGGESTED_LEASE, &seconds.to_be_bytes());
        self
    }

    /// The value; `None` when it is over 255 octets: it would need a second option (H-SN-14).
    pub fn finish(self) -> Option<Vec<u8>> {
        (!self.overlong && self.octets.len() <= 255).then_some(self.octets)
    }

    fn push(&mut self, code: u8, value: &[u8]) {
        match u8::try_from(value.len()) {
            Ok(length) => {
                self.octets.extend_from_slice(&[code, length]);
                self.octets.extend_from_slice(value);
            }
            Err(_) => self.overlong = true,
        }
    }
}

impl Default for AllocationBuilder {
    fn default() -> Self {
        Self::new()
    }
}

fn set(is: bool, flag: u8) -> u8 {
    if is { flag } else { 0 }
}
