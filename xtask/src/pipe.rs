//! Standard output may be a pipe whose reader goes away: that is its right, and no failure.

use std::panic::{self, PanicHookInfo};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

static READER_GONE: AtomicBool = AtomicBool::new(false);

/// Runs a task. When nobody reads what it prints any more, it ends without a word; what it has built is dropped as usual,
/// which a death by SIGPIPE would not do.
pub fn run(task: fn() -> ExitCode) -> ExitCode {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if is_broken_pipe(panic) {
            READER_GONE.store(true, Ordering::Relaxed);
        } else {
            usual(panic);
        }
    }));
    panic::catch_unwind(task).unwrap_or_else(|panicked| match READER_GONE.load(Ordering::Relaxed) {
        true => ExitCode::SUCCESS,
        false => panic::resume_unwind(panicked),
    })
}

/// What `println!` says when it can't.
fn is_broken_pipe(panic: &PanicHookInfo<'_>) -> bool {
    let message = panic.payload().downcast_ref::<String>();
    message.is_some_and(|text| text.starts_with("failed printing to stdout: Broken pipe"))
}
