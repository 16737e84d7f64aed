//! The gateway.

use std::process::ExitCode;

/// A login makes and frees some dozens of buffers.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    gateway_user::main()
}
