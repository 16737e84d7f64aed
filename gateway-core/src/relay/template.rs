//! Templates of circuit-id and remote-id: compiled once, rendered for each message.

use core::net::IpAddr;
use std::io::Write as _;

use gateway_common::vlan::VlanTags;
use thiserror::Error;

use crate::line::HardwareAddress;

/// A text with fields in braces: `{port}` `{fpc}` the names in the configuration, `{outer}` `{inner}` the VLAN
/// numbers (0 for none), `{mac}` the client's hardware address, `{giaddr}`. `{{` and `}}` stand for braces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Template(Vec<Piece>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    Literal(Box<[u8]>),
    Field(Field),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Field {
    Port,
    Fpc,
    Outer,
    Inner,
    Mac,
    Giaddr,
}

const FIELDS: [(&str, Field); 6] = [
    ("port", Field::Port),
    ("fpc", Field::Fpc),
    ("outer", Field::Outer),
    ("inner", Field::Inner),
    ("mac", Field::Mac),
    ("giaddr", Field::Giaddr),
];

/// What is wrong with a template; `at` is an offset in octets.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum TemplateError {
    /// A field that does not exist.
    #[error("unknown field {{{name}}} at {at}; there are {{port}} {{fpc}} {{outer}} {{inner}} {{mac}} {{giaddr}}")]
    UnknownField {
        /// Its name.
        name: String,
        /// Where it begins.
        at: usize,
    },
    /// A brace without its partner.
    #[error("unmatched brace at {at}; write {{{{ or }}}} for a brace itself")]
    Unmatched {
        /// Where it is.
        at: usize,
    },
}

/// What the fields stand for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) port: &'a str,
    pub(crate) fpc: &'a str,
    pub(crate) tags: VlanTags,
    pub(crate) hardware: HardwareAddress,
    pub(crate) giaddr: IpAddr,
}

impl Template {
    /// Compiles a template.
    pub fn new(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text;
        while let Some(brace) = rest.find(['{', '}']) {
            let at = text.len() - rest.len() + brace;
            literal.extend_from_slice(&rest.as_bytes()[..brace]);
            rest = &rest[brace..];
            if let Some(behind) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
                literal.push(rest.as_bytes()[0]);
                rest = behind;
                continue;
            }
            let (name, behind) = rest
                .strip_prefix('{')
                .and_then(|inside| inside.split_once('}'))
                .ok_or(TemplateError::Unmatched { at })?;
            let field = FIELDS.iter().find(|(known, _)| *known == name);
            let (_, field) = field.ok_or_else(|| TemplateError::UnknownField { name: name.to_owned(), at })?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(core::mem::take(&mut literal).into()));
            }
            pieces.push(Piece::Field(*field));
            rest = behind;
        }
        literal.extend_from_slice(rest.as_bytes());
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.into()));
        }
        Ok(Self(pieces))
    }

    /// Appends the text for one subject.
    pub(crate) fn render(&self, out: &mut Vec<u8>, subject: &Subject<'_>) {
        for piece in &self.0 {
            match piece {
                Piece::Literal(octets) => out.extend_from_slice(octets),
                Piece::Field(Field::Port) => out.extend_from_slice(subject.port.as_bytes()),
                Piece::Field(Field::Fpc) => out.extend_from_slice(subject.fpc.as_bytes()),
                Piece::Field(Field::Outer) => decimal(out, subject.tags.outer.vid),
                Piece::Field(Field::Inner) => decimal(out, subject.tags.inner.vid),
                Piece::Field(Field::Mac) => hexadecimal(out, subject.hardware.address()),
                // writing to a Vec cannot fail
                Piece::Field(Field::Giaddr) => _ = write!(out, "{}", subject.giaddr),
            }
        }
    }

    /// Most octets it renders to on a port.
    pub(super) fn longest(&self, port: &str, fpc: &str) -> usize {
        let longest = |piece: &Piece| match piece {
            Piece::Literal(octets) => octets.len(),
            Piece::Field(Field::Port) => port.len(),
            Piece::Field(Field::Fpc) => fpc.len(),
            Piece::Field(Field::Outer | Field::Inner) => "4095".len(),
            Piece::Field(Field::Mac) => "00:00:00:00:00:00".len(),
            Piece::Field(Field::Giaddr) => "255.255.255.255".len(),
        };
        self.0.iter().map(longest).sum()
    }
}

/// One for each message, so without the formatting machinery.
fn decimal(out: &mut Vec<u8>, number: u16) {
    let mut digits = [0; 5];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8; // a digit
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn hexadecimal(out: &mut Vec<u8>, octets: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (index, octet) in octets.iter().enumerate() {
        if index > 0 {
            out.push(b':');
        }
        out.extend_from_slice(&[DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]]);
    }
}
