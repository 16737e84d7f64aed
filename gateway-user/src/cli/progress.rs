//! Progress of a release: one line that is rewritten on a terminal, a line for each change elsewhere.

use std::io::{self, IsTerminal as _, Write as _};

use super::text::{WIDTH, bar, count, cut, took};
use crate::control::protocol::Release;

/// Shows a release on standard error.
pub(super) struct Progress {
    terminal: bool,
    last: String,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { terminal: io::stderr().is_terminal(), last: String::new() }
    }

    pub(super) fn show(&mut self, release: &Release) {
        let line = line(release);
        let mut err = io::stderr().lock();
        // Nothing can be done about a terminal that went away.
        let _ = if self.terminal {
            write!(err, "\r\x1b[K{}", cut(&line, WIDTH)).and_then(|()| err.flush())
        } else if phases(release) != self.last {
            writeln!(err, "{line}")
        } else {
            Ok(())
        };
        self.last = phases(release);
    }

    /// Leaves the line as it is.
    pub(super) fn end(self) {
        if self.terminal && !self.last.is_empty() {
            // As above.
            let _ = writeln!(io::stderr());
        }
    }
}

fn phases(release: &Release) -> String {
    let phases: Vec<_> = release.servers.iter().map(|at| format!("{} at {}", at.phase, at.server)).collect();
    format!("{}{}", phases.join(", "), if release.took.is_some() { " done" } else { "" })
}

fn line(release: &Release) -> String {
    let six = release.leases6.unwrap_or_default();
    let (done, total) = (count(release.released + six.released), count(release.total + six.total));
    let state = match release.took {
        Some(time) => format!("done in {}", took(time)),
        None => phases(release),
    };
    format!("{} {} {done}/{total} released · {state}", release.fpc, bar(release.progress(), 24))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::protocol::ReleaseAtServer;

    #[test]
    fn a_line() {
        let at = ReleaseAtServer {
            server: "192.0.2.2".to_owned(),
            phase: "individual RELEASEs".to_owned(),
            total: 1000,
            released: 250,
        };
        let mut release =
            Release { fpc: "fpc0".to_owned(), total: 1000, released: 250, servers: vec![at], ..Release::default() };
        assert_eq!(
            line(&release),
            "fpc0 ██████░░░░░░░░░░░░░░░░░░ 250/1,000 released · individual RELEASEs at 192.0.2.2"
        );
        (release.released, release.took) = (1000, Some(0.012));
        assert_eq!(line(&release), "fpc0 ████████████████████████ 1,000/1,000 released · done in 12 ms");
    }
}
