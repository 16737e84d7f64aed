//! `cargo xtask bench sim`, `bench subnets` and `bench paths`: the simulations of the cluster, of delegation and of
//! associations that move, for many seeds, on all cores.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use super::report::Report;
use xtask::cargo::{cargo, line};

/// Options of `bench sim`, `bench subnets` and `bench paths`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Seeds to run, of all scenarios together.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first seed of each scenario.
    #[arg(long, default_value_t = 1)]
    first: u64,
}

/// A simulation.
pub(crate) struct Simulation {
    /// Of its report.
    name: &'static str,
    /// Where its tests are in `gateway-core`.
    module: &'static str,
    /// The scenarios, by the name of their rows and their tests, and of how many parts in ten seeds go to each.
    scenarios: &'static [(&'static str, &'static str, u64)],
}

/// Members of a cluster.
pub(crate) const CLUSTER: Simulation = Simulation {
    name: "sim",
    module: "cluster::tests::sim",
    scenarios: &[
        ("production", "cluster_sim", 5),
        ("document", "cluster_sim_document", 2),
        ("takeover", "cluster_sim_takeover", 1),
        ("changeover", "cluster_sim_changeover", 1),
        ("spread", "cluster_sim_spread", 1),
    ],
};

/// Servers that hand subnets to each other.
pub(crate) const SUBNETS: Simulation = Simulation {
    name: "subnets",
    module: "delegation::tests::sim",
    scenarios: &[
        ("hierarchy", "delegation_sim_hierarchy", 4),
        ("peers", "delegation_sim_peers", 3),
        ("mixture", "delegation_sim_mixture", 3),
    ],
};

/// Two ends of an association that move.
pub(crate) const PATHS: Simulation = Simulation {
    name: "paths",
    module: "association::tests::sim",
    scenarios: &[
        ("links", "association_sim_links", 4),
        ("steady", "association_sim_steady", 3),
        ("roaming", "association_sim_roaming", 2),
        ("home", "association_sim_home", 1),
    ],
};

/// Run every seed; fail when one fails, having printed what replays it.
pub(crate) fn run(simulation: &Simulation, options: &Options) -> Result<()> {
    let mut report = Report::new(simulation.name, 1);
    let mut failed = 0;
    for (name, test, tenths) in simulation.scenarios {
        let seeds = (options.seeds * tenths / 10).max(1);
        let outcome = scenario(simulation.module, test, seeds, options.first)?;
        failed += outcome.failed;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52 seeds")]
        report.add(&format!("{}/{name}", simulation.name), "seeds/s", &[outcome.seeds as f64 / outcome.seconds], None);
        if !options.json {
            println!("{name}: {} seeds in {:.0} s, {} failed", outcome.seeds, outcome.seconds, outcome.failed);
        }
    }
    report.print(options.json)?;
    ensure!(failed == 0, "{failed} seeds failed; above is what replays each");
    Ok(())
}

struct Outcome {
    seeds: u64,
    seconds: f64,
    failed: u64,
}

/// Runs one test for many seeds. What it says of seeds that fail goes to the error output.
fn scenario(module: &str, test: &str, seeds: u64, first: u64) -> Result<Outcome> {
    let place = format!("{module}::{test}");
    let mut command = cargo(["test", "--quiet", "--release", "-p", "gateway-core", "--lib", "--"]);
    command.args(["--exact", &place, "--nocapture"]);
    command.env("SEEDS", seeds.to_string()).env("FIRST_SEED", first.to_string()).env("RUST_BACKTRACE", "0");
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("run {}", line(&command)))?;
    let mut outcome = None;
    for text in BufReader::new(child.stdout.take().context("no output")?).lines() {
        outcome = outcome.or(parse(test, &text?));
    }
    child.wait()?;
    outcome.with_context(|| format!("{} did not come to its end", line(&command)))
}

/// Reads `cluster_sim: 6000 seeds in 512.250 s, 0 failed`.
fn parse(test: &str, text: &str) -> Option<Outcome> {
    let (_, rest) = text.split_once(&format!("{test}: "))?;
    let words: Vec<&str> = rest.split(' ').collect();
    let [seeds, "seeds", "in", seconds, "s,", failed, "failed"] = words[..] else { return None };
    Some(Outcome { seeds: seeds.parse().ok()?, seconds: seconds.parse().ok()?, failed: failed.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::parse;

    /// The simulation's last line is understood, wherever in a line it begins, and no other scenario's is.
    #[test]
    fn reads_the_last_line() {
        let outcome = parse("cluster_sim", "test x ... cluster_sim: 6000 seeds in 512.250 s, 2 failed").unwrap();
        assert_eq!((outcome.seeds, outcome.seconds, outcome.failed), (6000, 512.25, 2));
        assert!(parse("cluster_sim", "cluster_sim_document: 1 seeds in 1.0 s, 0 failed").is_none());
    }
}
