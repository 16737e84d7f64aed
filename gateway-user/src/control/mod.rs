//! The control socket: how the command line, the metrics and whoever else asks a running gateway.

mod client;
pub mod protocol;
mod recent;
mod server;
#[cfg(test)]
mod tests;

pub use client::Client;
pub use recent::Recent;
pub use server::{Asker, ControlSocket, Question, questions};
