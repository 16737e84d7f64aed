//! What is shown and measured in labs: labs that stay, demos, benches. `cargo xtask lab`, `demo` and `bench` build it and
//! run it.

mod bench;
mod demo;
mod standing;

use std::process::ExitCode;

use clap::Parser;

/// Labs that stay, demos, benches.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// A lab to try things in: network namespaces with subscribers, the gateway and a DHCP server.
    #[command(subcommand)]
    Lab(standing::Lab),
    /// Watch a thousand subscribers log in through XDP, and ONE message log a line card's subscribers out.
    Demo(demo::Options),
    /// Measure against limits and peers.
    #[command(subcommand)]
    Bench(bench::Bench),
}

fn main() -> ExitCode {
    xtask::pipe::run(task)
}

fn task() -> ExitCode {
    let done = match Task::parse() {
        Task::Lab(command) => standing::run(&command),
        Task::Demo(options) => demo::run(&options),
        Task::Bench(bench) => bench::run(&bench),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
