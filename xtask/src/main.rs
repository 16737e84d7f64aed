//! `cargo xtask`: set-up, builds, tests, fuzzing; the demo, the lab and benches are the crate `lab`'s. One module per task.

mod build;
mod conformance;
mod fuzz;
mod setup;
mod staged;
mod test;
mod vm;

use clap::Parser;
use std::process::ExitCode;

/// Everything that is done to this repository, beyond plain `cargo build`.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Install whatever is missing for building the eBPF object and for the tests.
    Setup(setup::Options),
    /// Compile the eBPF object into target/bpf, and the `gateway` binary that carries it.
    Build(build::Options),
    /// A lab to try things in: network namespaces with subscribers, the gateway and a DHCP server.
    Lab(staged::Words),
    /// Run every test: format, lints, unit, packet tables, end to end in network namespaces.
    Test(test::Options),
    /// Look for hostile input that something can't stand: libFuzzer, guided by the code that it reaches.
    Fuzz(fuzz::Options),
    /// What continuous integration runs: the same as `test`, without a filter.
    Ci,
    /// Watch a thousand subscribers log in through XDP, and ONE message log a line card's subscribers out.
    Demo(staged::Words),
    /// Measure against limits and peers.
    Bench(staged::Words),
    /// Another kernel, in a virtual machine: run a command or tests in it.
    #[command(subcommand)]
    Vm(vm::Vm),
    /// Which test proves which requirement.
    Conformance(conformance::Options),
}

fn main() -> ExitCode {
    xtask::pipe::run(task)
}

fn task() -> ExitCode {
    let done = match Task::parse() {
        Task::Setup(options) => setup::run(&options),
        Task::Build(options) => build::run(&options),
        Task::Lab(words) => staged::run("lab", &words),
        Task::Test(options) => test::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Ci => test::run(&test::Options::default()),
        Task::Demo(words) => staged::run("demo", &words),
        Task::Bench(words) => staged::run("bench", &words),
        Task::Vm(command) => vm::run(&command),
        Task::Conformance(options) => conformance::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
