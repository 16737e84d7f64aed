//! Options as they lie in a message.

use core::ops::Range;

use super::{Malformed, OPTION_HEADER};

/// One option, in place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opt<'a> {
    /// Option code.
    pub code: u16,
    /// Offset of its code in the message that was received.
    pub at: usize,
    /// Its value, not looked into.
    pub value: &'a [u8],
}

impl<'a> Opt<'a> {
    /// Where the option lies, header included, in the message that was received.
    pub fn range(&self) -> Range<usize> {
        self.at..self.at + OPTION_HEADER + self.value.len()
    }

    /// That the value is not what the code says.
    pub fn wrong(&self) -> Malformed {
        Malformed::Value { code: self.code, at: self.at }
    }

    /// The options in the value after a fixed part of `N` octets, which comes first.
    pub fn container<const N: usize>(&self) -> Result<(&'a [u8; N], Options<'a>), Malformed> {
        let (fixed, rest) = self.value.split_first_chunk::<N>().ok_or(self.wrong())?;
        Ok((fixed, Options::parse_at(rest, self.at + OPTION_HEADER + N)?))
    }

    /// A value of exactly `N` octets.
    pub fn array<const N: usize>(&self) -> Result<[u8; N], Malformed> {
        self.value.try_into().map_err(|_| self.wrong())
    }
}

/// A container's options, whose lengths were checked. It borrows the octets and copies nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options<'a> {
    octets: &'a [u8],
    /// Offset of the first option in the message.
    base: usize,
}

impl<'a> Options<'a> {
    /// Checks that options fill `octets` exactly (RFC 8415 section 21.1).
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        Self::parse_at(octets, 0)
    }

    /// The same for options that begin `base` octets into a message.
    pub fn parse_at(octets: &'a [u8], base: usize) -> Result<Self, Malformed> {
        let mut walk = OptionsIter { octets, at: 0, base };
        while walk.step()?.is_some() {}
        Ok(Self { octets, base })
    }

    /// The options as they stand.
    pub fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// Every option in order, repeats apart.
    pub fn iter(&self) -> OptionsIter<'a> {
        OptionsIter { octets: self.octets, at: 0, base: self.base }
    }

    /// The first option of a code.
    pub fn find(&self, code: u16) -> Option<Opt<'a>> {
        self.iter().find(|option| option.code == code)
    }

    /// Every option of a code.
    pub fn all(&self, code: u16) -> impl Iterator<Item = Opt<'a>> + use<'a> {
        self.iter().filter(move |option| option.code == code)
    }

    /// The option of a code that may be there once. A second one is an error: two readers could disagree on which counts.
    pub fn once(&self, code: u16) -> Result<Option<Opt<'a>>, Malformed> {
        let mut all = self.all(code);
        let first = all.next();
        match all.next() {
            None => Ok(first),
            Some(second) => Err(Malformed::Repeated { code, at: second.at }),
        }
    }
}

impl<'a> IntoIterator for Options<'a> {
    type Item = Opt<'a>;
    type IntoIter = OptionsIter<'a>;

    fn into_iter(self) -> OptionsIter<'a> {
        self.iter()
    }
}

/// Iterator over options in place; see [`Options::iter`].
#[derive(Clone, Debug)]
pub struct OptionsIter<'a> {
    octets: &'a [u8],
    at: usize,
    base: usize,
}

impl<'a> OptionsIter<'a> {
    fn step(&mut self) -> Result<Option<Opt<'a>>, Malformed> {
        let rest = self.octets.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let at = self.base + self.at;
        let Some(([c0, c1, l0, l1], behind)) = rest.split_first_chunk::<OPTION_HEADER>() else {
            return Err(Malformed::Trailing { at, length: rest.len() });
        };
        let code = u16::from_be_bytes([*c0, *c1]);
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        let value = behind.get(..length).ok_or(Malformed::CutOption { code, at })?;
        self.at += OPTION_HEADER + length;
        Ok(Some(Opt { code, at, value }))
    }
}

impl<'a> Iterator for OptionsIter<'a> {
    type Item = Opt<'a>;

    fn next(&mut self) -> Option<Opt<'a>> {
        self.step().ok().flatten() // parse_at() has seen them all
    }
}
