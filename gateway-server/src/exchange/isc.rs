//! ISC dhcpd's lease files: `dhcpd.leases(5)`.
//!
//! ```text
//! lease 10.0.0.5 { starts 5 2026/11/20 11:00:00; ends …; binding state active; hardware ethernet …; uid "…"; }
//! ia-na "IAID and DUID" { cltt …; iaaddr 2001:db8::5 { binding state active; preferred-life …; max-life …; ends …; } }
//! ```

mod words;
mod write;

use core::net::{Ipv4Addr, Ipv6Addr};

use gateway_core::line::HardwareAddress;
use gateway_core::wire::dhcp6::Binding;

use self::words::{agent, binding, date, hardware, is_ia, is_known, is_lease, state, value, word};
pub use self::write::{Associations, HEADING, heading6, lease};
use super::tokens::{Cut, Token, Tokens};
use super::{Lease, NEVER, Problem, Read, State, What};

type Words<'o> = Vec<Token<'o>>;

/// What comes next.
enum Statement<'o> {
    /// `word word;`
    Simple(Words<'o>),
    /// `word word {`
    Block(u64, Words<'o>),
    /// `}`
    Close(u64),
}

/// A block that is not a lease after all.
enum Broken<'o> {
    Cut,
    Wrong(String),
    /// Another one begins within it, with these words.
    Begun(u64, Words<'o>),
}

impl From<Cut> for Broken<'_> {
    fn from(_: Cut) -> Self {
        Self::Cut
    }
}

impl From<String> for Broken<'_> {
    fn from(what: String) -> Self {
        Self::Wrong(what)
    }
}

/// # Errors
/// When there is something in it, but not one statement of such a file.
pub(super) fn read(octets: &[u8]) -> Result<Read, Problem> {
    let mut file = File { tokens: Tokens::new(octets), big_endian: false };
    let mut read = Read::default();
    let mut begun = None;
    let (mut known, mut other) = (false, false);
    loop {
        let next = match begun.take() {
            Some((line, head)) => Ok(Some(Statement::Block(line, head))),
            None => file.statement(),
        };
        let (line, head) = match next {
            Ok(None) => break,
            Ok(Some(Statement::Simple(head))) => {
                (known, other) = (known || is_known(&head), true);
                if word(&head, 0) == "authoring-byte-order" {
                    file.big_endian = word(&head, 1) == "big-endian";
                }
                continue;
            }
            Ok(Some(Statement::Close(line))) => {
                read.problem(line, "a } that ends nothing");
                continue;
            }
            Ok(Some(Statement::Block(line, head))) => (line, head),
            Err(Cut) => {
                let line = file.tokens.line();
                read.cut = Some(Problem { line, what: "the file ends within a statement".to_owned() });
                break;
            }
        };
        (known, other) = (known || is_known(&head), true);
        let leases = match (is_lease(&head), is_ia(&head)) {
            (true, _) => file.lease(&head).map(|lease| vec![(line, lease)]),
            (_, true) => file.ia(&head),
            _ => file.skip().map(|()| Vec::new()).map_err(Broken::from),
        };
        match leases {
            Ok(leases) => read.leases.extend(leases),
            Err(Broken::Wrong(what)) => read.problem(line, what),
            Err(Broken::Begun(at, head)) => {
                read.problem(line, format!("it has no end: another begins at line {at}"));
                begun = Some((at, head));
            }
            Err(Broken::Cut) => {
                let what = format!("the file ends within the {} that begins at line {line}", word(&head, 0));
                read.cut = Some(Problem { line: file.tokens.line(), what });
                break;
            }
        }
    }
    if !known && (!read.problems.is_empty() || read.cut.is_some() || other) {
        return Err(Problem { line: 1, what: "it is no statement of dhcpd.leases(5)".to_owned() });
    }
    Ok(read)
}

struct File<'o> {
    tokens: Tokens<'o>,
    /// How the IAID in an IA's name is written.
    big_endian: bool,
}

impl<'o> File<'o> {
    fn statement(&mut self) -> Result<Option<Statement<'o>>, Cut> {
        let mut words = Vec::new();
        let mut first = None;
        loop {
            let Some((line, token)) = self.tokens.next()? else {
                return if words.is_empty() { Ok(None) } else { Err(Cut) };
            };
            let line = *first.get_or_insert(line);
            match token {
                Token::End if words.is_empty() => first = None,
                Token::End => return Ok(Some(Statement::Simple(words))),
                Token::Open => return Ok(Some(Statement::Block(line, words))),
                Token::Close => return Ok(Some(Statement::Close(line))),
                word => words.push(word),
            }
        }
    }

    /// The next statement of a block that has begun; `None` at its end.
    fn inside(&mut self) -> Result<Option<Statement<'o>>, Broken<'o>> {
        match self.statement()? {
            None => Err(Broken::Cut),
            Some(Statement::Close(_)) => Ok(None),
            Some(Statement::Block(line, mut head)) => {
                // What was not finished is before the words that begin another.
                let last = head.split_off(head.len().saturating_sub(2));
                if is_lease(&last) || is_ia(&last) {
                    return Err(Broken::Begun(self.tokens.line().max(line), last));
                }
                head.extend(last);
                Ok(Some(Statement::Block(line, head)))
            }
            simple => Ok(simple),
        }
    }

    /// The words of the next simple statement of a block that has begun; `None` at its end. Blocks in it are passed over.
    fn simple(&mut self) -> Result<Option<Words<'o>>, Broken<'o>> {
        while let Some(statement) = self.inside()? {
            match statement {
                Statement::Simple(words) => return Ok(Some(words)),
                _ => self.skip()?,
            }
        }
        Ok(None)
    }

    /// To the end of a block that has begun.
    fn skip(&mut self) -> Result<(), Cut> {
        let mut depth = 1u64;
        while depth > 0 {
            match self.tokens.next()? {
                Some((_, Token::Open)) => depth += 1,
                Some((_, Token::Close)) => depth -= 1,
                Some(_) => {}
                None => return Err(Cut),
            }
        }
        Ok(())
    }

    /// A lease whose `{` was read. What is wrong in it is told once its end is found.
    fn lease(&mut self, head: &[Token<'o>]) -> Result<Lease, Broken<'o>> {
        let address: Result<Ipv4Addr, _> = word(head, 1).parse();
        let mut wrong = address.as_ref().err().map(|_| format!("`{}` is no address", word(head, 1)));
        let mut lease = Lease::new(What::Four(address.unwrap_or(Ipv4Addr::UNSPECIFIED)));
        let (mut starts, mut last, mut ends) = (None, None, None);
        while let Some(words) = self.simple()? {
            let done = match (word(&words, 0).as_ref(), word(&words, 1).as_ref()) {
                ("starts", _) => date(&words[1..]).map(|at| starts = Some(at)),
                ("ends", _) => date(&words[1..]).map(|at| ends = Some(at)),
                ("cltt", _) => date(&words[1..]).map(|at| last = Some(at)),
                ("binding", "state") => state(&word(&words, 2)).map(|state| lease.state = state),
                ("abandoned", _) => {
                    lease.state = State::Abandoned;
                    Ok(())
                }
                ("hardware", _) => hardware(&words).map(|hardware| lease.hardware = hardware),
                ("uid", _) => value(&words[1..], 255).map(|uid| lease.client = uid),
                ("option", name) if name.starts_with("agent.") => {
                    agent(&name["agent.".len()..], &words[2..], &mut lease.agent_information);
                    Ok(())
                }
                _ => Ok(()),
            };
            wrong = wrong.or(done.err());
        }
        lease.last = last.or(starts).filter(|last| *last != NEVER).unwrap_or(0);
        // Who declined it is written there, but does not have it.
        if lease.state == State::Abandoned {
            (lease.hardware, lease.client) = (HardwareAddress::NONE, Vec::new());
        }
        wrong = wrong.or(end(&mut lease, ends).err());
        if lease.state == State::Active && !lease.has_client() {
            wrong = wrong.or_else(|| Some("it is active but names no client".into()));
        }
        wrong.map_or(Ok(lease), |wrong| Err(Broken::Wrong(format!("lease {}: {wrong}", word(head, 1)))))
    }

    /// An identity association whose `{` was read, with the number of the line of each of its leases.
    fn ia(&mut self, head: &[Token<'o>]) -> Result<Vec<(u64, Lease)>, Broken<'o>> {
        let name = value(&head[1..], 134);
        let mut wrong = name.as_ref().err().cloned();
        let name = name.unwrap_or_default();
        let (iaid, duid) = name.split_first_chunk().unwrap_or((&[0; 4], &[]));
        if duid.is_empty() {
            wrong = wrong.or_else(|| Some("its name is no IAID with a DUID".to_owned()));
        }
        let iaid = if self.big_endian { u32::from_be_bytes(*iaid) } else { u32::from_le_bytes(*iaid) };
        let (mut leases, mut last) = (Vec::new(), 0);
        while let Some(statement) = self.inside()? {
            match statement {
                Statement::Block(line, words) if matches!(word(&words, 0).as_ref(), "iaaddr" | "iaprefix") => {
                    match self.ia_lease(&words)? {
                        Ok(mut lease) => {
                            lease.iaid = iaid;
                            lease.client = duid.to_vec();
                            leases.push((line, lease));
                        }
                        Err(what) => wrong = wrong.or(Some(what)),
                    }
                }
                Statement::Simple(words) if word(&words, 0) == "cltt" => match date(&words[1..]) {
                    Ok(at) => last = at,
                    Err(what) => wrong = wrong.or(Some(what)),
                },
                Statement::Simple(..) => {}
                _ => self.skip()?,
            }
        }
        if let Some(wrong) = wrong {
            return Err(Broken::Wrong(format!("{}: {wrong}", word(head, 0))));
        }
        for (_, lease) in &mut leases {
            lease.last = if last == NEVER { 0 } else { last };
            if lease.state == State::Abandoned {
                lease.client = Vec::new();
            }
        }
        Ok(leases)
    }

    fn ia_lease(&mut self, head: &[Token<'o>]) -> Result<Result<Lease, String>, Broken<'o>> {
        let what = binding(&word(head, 1)).ok_or_else(|| format!("`{}` is no address or prefix", word(head, 1)));
        let mut wrong = what.as_ref().err().cloned();
        let mut lease = Lease::new(What::Six(what.unwrap_or(Binding::Address(Ipv6Addr::UNSPECIFIED))));
        let (mut preferred, mut valid, mut ends) = (0, 0, None);
        while let Some(words) = self.simple()? {
            let number = || word(&words, 1).parse::<u64>().map_err(|_| format!("`{}` is no number", word(&words, 1)));
            let done = match word(&words, 0).as_ref() {
                "binding" => state(&word(&words, 2)).map(|state| lease.state = state),
                "preferred-life" => number().map(|seconds| preferred = seconds),
                "max-life" => number().map(|seconds| valid = seconds),
                "ends" => date(&words[1..]).map(|at| ends = Some(at)),
                _ => Ok(()),
            };
            wrong = wrong.or(done.err());
        }
        wrong = wrong.or(end(&mut lease, ends).err());
        lease.preferred = match lease.expires {
            NEVER => NEVER,
            ends => ends.saturating_sub(valid.saturating_sub(preferred)),
        };
        Ok(wrong.map_or(Ok(lease), |wrong| Err(format!("{}: {wrong}", word(head, 1)))))
    }
}

/// Ends a lease when its file says so.
fn end(lease: &mut Lease, ends: Option<u64>) -> Result<(), String> {
    match ends {
        Some(ends) => lease.expires = ends,
        None if lease.state.holds() => return Err("it has no end, not even `ends never`".to_owned()),
        None => {}
    }
    Ok(())
}
