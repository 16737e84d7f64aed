//! What is wrong with a configuration file: each mistake with its line, its key, what was found and what would do.

use std::fmt;
use std::path::PathBuf;

/// One mistake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Line of the file, from 1.
    pub line: usize,
    /// The key, with the tables it is in: `fpc.hold_down`.
    pub key: String,
    /// What the file says.
    pub found: String,
    /// What it could say instead.
    pub would_do: String,
}

/// All mistakes of one file, in the order of its lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problems {
    /// The file.
    pub file: PathBuf,
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        for (index, Problem { line, key, found, would_do }) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{file}:{line}: {key}: found {found}; would do: {would_do}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
