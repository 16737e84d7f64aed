//! The words of `dhcpd.leases(5)`.

/// A word, a string, or what holds them together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Token<'o> {
    Word(&'o [u8]),
    Text(Vec<u8>),
    Open,
    Close,
    End,
}

/// The file ends within a word or a string, or before what it began has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cut;

/// Goes through the file word by word.
#[derive(Debug)]
pub(super) struct Tokens<'o> {
    octets: &'o [u8],
    at: usize,
    line: u64,
}

impl<'o> Tokens<'o> {
    pub(super) fn new(octets: &'o [u8]) -> Self {
        Self { octets, at: 0, line: 1 }
    }

    /// The line that was come to.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    fn step(&mut self) -> Option<u8> {
        let octet = *self.octets.get(self.at)?;
        self.at += 1;
        self.line += u64::from(octet == b'\n');
        Some(octet)
    }

    /// The next one with the number of its line; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Token<'o>)>, Cut> {
        loop {
            let (line, start) = (self.line, self.at);
            let token = match self.step() {
                None => return Ok(None),
                Some(b'#') => {
                    while self.step().is_some_and(|octet| octet != b'\n') {}
                    continue;
                }
                Some(octet) if octet.is_ascii_whitespace() => continue,
                Some(b'{') => Token::Open,
                Some(b'}') => Token::Close,
                Some(b';') => Token::End,
                Some(b'"') => Token::Text(self.text()?),
                Some(_) => {
                    let ends = |octet: &u8| octet.is_ascii_whitespace() || b"{};\"".contains(octet);
                    let rest = &self.octets[self.at..];
                    self.at += rest.iter().position(ends).ok_or(Cut)?;
                    Token::Word(&self.octets[start..self.at])
                }
            };
            return Ok(Some((line, token)));
        }
    }

    /// A string behind its first quote: octal and other escapes as in C.
    fn text(&mut self) -> Result<Vec<u8>, Cut> {
        let mut text = Vec::new();
        loop {
            match self.step().ok_or(Cut)? {
                b'"' => return Ok(text),
                b'\\' => text.push(self.escaped()?),
                octet => text.push(octet),
            }
        }
    }

    fn escaped(&mut self) -> Result<u8, Cut> {
        Ok(match self.step().ok_or(Cut)? {
            b't' => b'\t',
            b'r' => b'\r',
            b'n' => b'\n',
            b'b' => 8,
            b'x' => self.digits(0, 2, 16),
            first @ b'0'..=b'7' => self.digits(first - b'0', 2, 8),
            octet => octet,
        })
    }

    /// Up to `most` further digits.
    fn digits(&mut self, mut value: u8, most: usize, base: u8) -> u8 {
        for _ in 0..most {
            let digit = self.octets.get(self.at).and_then(|octet| char::from(*octet).to_digit(base.into()));
            let Some(digit) = digit.and_then(|digit| u8::try_from(digit).ok()) else { break };
            self.at += 1;
            value = value.wrapping_mul(base).wrapping_add(digit);
        }
        value
    }
}
