//! Reading the proofs out of the sources.

use super::requirements::PREFIXES;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// For each requirement id that a test names: the tests, as `path/of/file.rs::function`.
pub(crate) fn proofs(workspace: &Path) -> Result<BTreeMap<String, Vec<String>>> {
    let mut proofs = BTreeMap::<String, Vec<String>>::new();
    for path in files(workspace)? {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.strip_prefix(workspace)?.display().to_string();
        for (function, ids) in tests(&text) {
            for id in ids {
                proofs.entry(id).or_default().push(format!("{name}::{function}"));
            }
        }
    }
    Ok(proofs)
}

/// All Rust sources of the workspace's crates, sorted. This one's are not among them: what its tests name are examples.
fn files(workspace: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![workspace.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name());
            let skipped =
                ["target", "xtask"].iter().any(|skipped| name == *skipped) || name.to_string_lossy().starts_with('.');
            if entry.file_type()?.is_dir() && !skipped {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Each test function with the requirements that its doc comment names.
fn tests(text: &str) -> Vec<(String, Vec<String>)> {
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let is_test = |line: &&str| *line == "#[test]" || line.starts_with("#[tokio::test");
    let mut found = Vec::new();
    for at in (0..lines.len()).filter(|at| is_test(&lines[*at])) {
        let above = lines[..at].iter().rev().take_while(|line| line.starts_with("///") || line.starts_with("#["));
        let ids = above.filter(|line| line.starts_with("///")).flat_map(|line| ids(line)).collect::<Vec<_>>();
        let function = lines[at..].iter().find_map(|line| {
            let name = line.trim_start_matches("async ").strip_prefix("fn ")?;
            name.split(['(', '<']).next()
        });
        if let Some(function) = function {
            let mut ids = ids;
            ids.sort();
            ids.dedup();
            found.push((function.to_owned(), ids));
        }
    }
    found
}

/// The requirement ids in a line: words such as `BR-15` or `H-BR-6`.
fn ids(line: &str) -> Vec<String> {
    let words = line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let is_id = |word: &&str| {
        let plain = word.strip_prefix("H-").unwrap_or(word);
        plain.split_once('-').is_some_and(|(prefix, number)| {
            PREFIXES.contains(&prefix) && !number.is_empty() && number.bytes().all(|octet| octet.is_ascii_digit())
        })
    };
    words.filter(is_id).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    /// Only the doc comment directly above counts, attributes may stand between, and the id of a hazard is not that of
    /// the requirement with its number.
    #[test]
    fn reads_the_comment_directly_above() {
        let text = "/// Not this: BR-1.\nfn helper() {}\n\n/// A late release frees nothing (H-BR-6);\n/// see BR-24, BR-24.\n\
                    #[test]\n#[allow(unused)]\nfn late() {}\n\n    #[test]\n    fn plain() {}\n";
        let found = super::tests(text);
        assert_eq!(found[0], ("late".to_owned(), vec!["BR-24".to_owned(), "H-BR-6".to_owned()]));
        assert_eq!(found[1], ("plain".to_owned(), vec![]));
    }

    /// What a test of the scanner names proves nothing: H-BR-6.
    #[test]
    fn no_proof_of_its_own() {
        let workspace = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let proofs = super::proofs(workspace).unwrap();
        let tests = proofs.get("H-BR-6").expect("proven elsewhere");
        assert!(tests.len() > 3 && tests.iter().all(|test| !test.starts_with("xtask/")), "{tests:?}");
    }
}
