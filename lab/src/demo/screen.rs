//! What the demo prints: a line for each step, with progress where somebody watches.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use super::act::Figures;

/// Cells of a progress bar.
const BAR: u64 = 24;

/// Standard output.
pub(crate) struct Screen {
    terminal: bool,
    step: u32,
    began: Instant,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { terminal: std::io::stdout().is_terminal() && !is_dumb, step: 0, began: Instant::now() }
    }

    pub(crate) fn title(&mut self, text: &str) {
        println!("\n{text}\n{}", "=".repeat(text.chars().count()));
    }

    /// A new act begins.
    pub(crate) fn act(&mut self, text: &str) {
        self.step = 0;
        println!("\n{text}");
    }

    /// A step begins: what is being done stands there until it is over.
    pub(crate) fn begin(&mut self, what: &str) {
        self.began = Instant::now();
        self.step += 1;
        if self.terminal {
            print!("  {} {what} ...", self.step);
            let _ = std::io::stdout().flush(); // a screen that can't be flushed is nobody's loss
        }
    }

    /// So far; shown only where somebody watches.
    pub(crate) fn progress(&self, what: &str, done: u64, all: u64) {
        if self.terminal {
            let full = done.min(all) * BAR / all.max(1);
            let bar: String = (0..BAR).map(|cell| if cell < full { '█' } else { '░' }).collect();
            print!("\r\x1b[K  {} {what:<28} {bar} {done}/{all}", self.step);
            let _ = std::io::stdout().flush();
        }
    }

    /// The step is over, with this result.
    pub(crate) fn end(&self, what: &str, result: &str) {
        self.end_after(what, self.so_far(), result);
    }

    /// The same for one that took so long, though it is looked at until now.
    pub(crate) fn end_after(&self, what: &str, took: Duration, result: &str) {
        let clear = if self.terminal { "\r\x1b[K" } else { "" };
        println!("{clear}  {} {what:<28} {:>6.2} s  {result}", self.step, took.as_secs_f64());
    }

    /// Since the step began.
    pub(crate) fn so_far(&self) -> Duration {
        self.began.elapsed()
    }

    /// Whether somebody watches, on a terminal.
    pub(crate) fn is_watched(&self) -> bool {
        self.terminal
    }

    /// Something to see that takes no time.
    pub(crate) fn note(&self, text: &str) {
        println!("    {text}");
    }

    /// The acts side by side.
    pub(crate) fn comparison(&mut self, played: &[(&str, Figures)]) {
        let row = |name: &str, cell: &dyn Fn(&Figures) -> String| {
            let cells: String = played.iter().map(|(_, figures)| format!("{:>14}", cell(figures))).collect();
            println!("  {name:<46}{cells}");
        };
        let names: String = played.iter().map(|(name, _)| format!("{name:>14}")).collect();
        println!("\n  {:<46}{names}", "one FPC restarts");
        row("subscribers logged out", &|figures| figures.released.to_string());
        row("messages to the server on the wire", &|figures| figures.messages.to_string());
        row("replies", &|figures| figures.replies.to_string());
        row("from lost carrier to empty routes", &|figures| format!("{:.2} s", figures.took.as_secs_f64()));
    }

    pub(crate) fn done(&self, took: Duration) {
        println!("\nEverything was as told ({:.0} s).", took.as_secs_f64());
    }
}
