//! Names of line cards and ports on disk: which of them has which number in the records of sessions.
//!
//! Key `names`; value: version, number of cards u16, each name as length u8 and octets, then the ports likewise. A name
//! keeps its place for ever; new ones are added at the end. A session on a port that is no longer configured stays where
//! it is until its lease ends; one behind a card that is no longer configured is logged out.

use crate::session::Numbering;

/// Key of the record.
pub(super) const KEY: &[u8] = b"names";

const VERSION: u8 = 1;

/// The record.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Names {
    pub(super) fpcs: Vec<String>,
    pub(super) ports: Vec<String>,
}

impl Names {
    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let mut rest = value.strip_prefix(&[VERSION])?;
        let (fpcs, ports) = (list(&mut rest)?, list(&mut rest)?);
        rest.is_empty().then_some(Self { fpcs, ports })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        for names in [&self.fpcs, &self.ports] {
            out.extend((names.len() as u16).to_be_bytes());
            for name in names {
                let octets = &name.as_bytes()[..name.len().min(255)];
                out.push(octets.len() as u8);
                out.extend(octets);
            }
        }
        out
    }

    /// Adds what is new; says by which numbers today's names go, and appends to today's lists whatever only the record
    /// knows.
    pub(super) fn merge(&mut self, fpcs: &mut Vec<String>, ports: &mut Vec<String>) -> Numbering {
        Numbering { fpcs: merge(&mut self.fpcs, fpcs), ports: merge(&mut self.ports, ports) }
    }
}

fn merge(stored: &mut Vec<String>, today: &mut Vec<String>) -> Vec<u16> {
    for name in today.iter() {
        if !stored.contains(name) {
            stored.push(name.clone());
        }
    }
    for name in stored.iter() {
        if !today.contains(name) {
            today.push(name.clone());
        }
    }
    let number = |name| stored.iter().position(|other| other == name).unwrap_or_default() as u16;
    today.iter().map(number).collect()
}

fn list(rest: &mut &[u8]) -> Option<Vec<String>> {
    let (count, after) = rest.split_first_chunk::<2>()?;
    *rest = after;
    let mut names = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (&length, after) = rest.split_first()?;
        let (name, after) = after.split_at_checked(usize::from(length))?;
        *rest = after;
        names.push(String::from_utf8(name.to_vec()).ok()?);
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_name_keeps_its_number() {
        let mut stored = Names { fpcs: names(&["a", "b"]), ports: names(&["p", "q"]) };
        let (mut fpcs, mut ports) = (names(&["c", "b"]), names(&["q", "p"]));
        let numbering = stored.merge(&mut fpcs, &mut ports);
        assert_eq!(fpcs, names(&["c", "b", "a"]), "a is gone from the configuration, not from the records");
        assert_eq!(numbering, Numbering { fpcs: vec![2, 1, 0], ports: vec![1, 0] });
        assert_eq!(Names::decode(&stored.encode()), Some(stored.clone()));
        let octets = stored.encode();
        for length in 0..octets.len() {
            assert_eq!(Names::decode(&octets[..length]), None);
        }
    }
}
