//! Walks over code-length-value triples.

use super::Malformed;

/// Triples of DHCP options: 0 pads, 255 ends (RFC 2132 sections 3.1, 3.2).
#[derive(Clone, Debug)]
pub(super) struct OptionWalk<'a> {
    octets: &'a [u8],
    at: usize,
}

/// One triple and where its code octet is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Triple<'a> {
    pub(super) at: usize,
    pub(super) code: u8,
    pub(super) value: &'a [u8],
}

impl<'a> OptionWalk<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self { octets, at: 0 }
    }

    /// Where the walk stands: after the last triple, or on the end octet.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The next triple; `None` at an end octet or where the octets end.
    pub(super) fn step(&mut self) -> Result<Option<Triple<'a>>, Malformed> {
        loop {
            match self.octets.get(self.at) {
                None | Some(&END) => return Ok(None),
                Some(&PAD) => self.at += 1,
                Some(_) => break,
            }
        }
        let triple = triple(self.octets, self.at)?;
        self.at += 2 + triple.value.len();
        Ok(Some(triple))
    }
}

/// Triples without pad or end: sub-options and the elements inside them (RFC 3046 section 2.0).
#[derive(Clone, Debug)]
pub(super) struct PlainWalk<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> PlainWalk<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self { octets, at: 0 }
    }

    pub(super) fn step(&mut self) -> Result<Option<Triple<'a>>, Malformed> {
        if self.at >= self.octets.len() {
            return Ok(None);
        }
        let triple = triple(self.octets, self.at)?;
        self.at += 2 + triple.value.len();
        Ok(Some(triple))
    }
}

fn triple(octets: &[u8], at: usize) -> Result<Triple<'_>, Malformed> {
    let code = octets[at];
    let cut = Malformed::CutOption { code, at };
    let length = usize::from(*octets.get(at + 1).ok_or(cut)?);
    let value = octets.get(at + 2..at + 2 + length).ok_or(cut)?;
    Ok(Triple { at, code, value })
}

const PAD: u8 = 0;
const END: u8 = 255;

/// A fixed number of octets at an offset.
pub(super) fn array<const N: usize>(octets: &[u8], at: usize) -> Option<[u8; N]> {
    octets.get(at..at.checked_add(N)?)?.try_into().ok()
}
