//! Standard output, which may be a pipe that its reader has closed.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

/// Writes text as it is.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes a value as JSON: for people when it is all there is, on one line when more follow.
pub(crate) fn json(value: &impl Serialize, one_line: bool) -> anyhow::Result<()> {
    let text = if one_line { serde_json::to_string(value)? } else { serde_json::to_string_pretty(value)? };
    Ok(print(&(text + "\n"))?)
}

/// Starts a screenful anew when there is a screen.
pub(crate) fn clear() -> io::Result<()> {
    if io::stdout().is_terminal() { print("\x1b[H\x1b[2J") } else { Ok(()) }
}

/// Whether the reader of our output went away, which is its right.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
