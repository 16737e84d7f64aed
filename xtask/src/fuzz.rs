//! `cargo xtask fuzz`: libFuzzer looks for hostile input, guided by the code that it reaches.
//!
//! The targets are those of the crate `fuzz`, compiled with the counters that libFuzzer reads and with checks that a release
//! leaves out. Nothing but the compiler that is there and a C++ compiler is needed. What is found lies in `target/fuzz/found`;
//! the inputs that reached something new are kept in `target/fuzz/corpus` and are where the next run goes on.

use crate::setup;
use anyhow::{Context, Result, bail};
use std::fs;
use std::process::Command;
use xtask::cargo::{cargo, check, target, workspace};

/// Options of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only this target.
    target: Option<String>,
    /// How long each target is searched.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// What has the compiler count which code is reached, as libFuzzer wants it: the passes of SanitizerCoverage.
const FLAGS: [&str; 8] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "-Cdebug-assertions=on",
];

/// Builds, and searches.
pub(crate) fn run(options: &Options) -> Result<()> {
    let names = names()?;
    let wanted: Vec<&String> =
        names.iter().filter(|name| options.target.as_ref().is_none_or(|wanted| wanted == *name)).collect();
    if wanted.is_empty() {
        bail!("there is no such target; there are: {}", names.join(", "));
    }
    if setup::command("c++").is_none() {
        bail!("libFuzzer is C++, and there is no compiler for it: apt-get install g++");
    }
    let directory = target().join("fuzz");
    let host = host()?;
    let mut build = cargo(["build", "--release", "--package", "gateway-fuzz", "--target", &host, "--target-dir"]);
    // With a target the flags are not those of build scripts, which could not be linked with them.
    build.arg(&directory).env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"));
    check(&mut build)?;
    let program = directory.join(host).join("release/gateway-fuzz");
    let found = directory.join("found");
    fs::create_dir_all(&found)?;
    let mut failed = Vec::new();
    for name in wanted {
        println!("== {name}");
        let corpus = directory.join("corpus").join(name);
        fs::create_dir_all(&corpus)?;
        check(cargo(["run", "--quiet", "--package", "gateway-fuzz", "--", name]).arg(&corpus))?;
        let mut search = Command::new(&program);
        search.env("FUZZ_TARGET", name).arg(&corpus);
        let kept = workspace().join("fuzz/kept").join(name);
        search.args(kept.is_dir().then_some(kept));
        search.arg(format!("-max_total_time={}", options.seconds));
        search.arg(format!("-artifact_prefix={}/{name}-", found.display()));
        search.args(["-max_len=2048", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=0"]);
        if check(&mut search).is_err() {
            failed.push(name.as_str());
        }
    }
    if !failed.is_empty() {
        bail!(
            "{} found something: see {}; repeat it with `cargo run -p gateway-fuzz TARGET FILE`",
            failed.join(", "),
            found.display()
        );
    }
    Ok(())
}

/// The targets' names: the crate's own list.
fn names() -> Result<Vec<String>> {
    let output = cargo(["run", "--quiet", "--package", "gateway-fuzz", "--", "--names"]).output()?;
    if !output.status.success() {
        bail!("the targets can't be listed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
}

/// What this host is to the compiler.
fn host() -> Result<String> {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler).arg("-vV").output().context("could not start rustc")?;
    let text = String::from_utf8(output.stdout)?;
    text.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned).context("rustc does not say its host")
}
