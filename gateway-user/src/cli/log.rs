//! Logs of the daemons: structured, to standard error.

use std::io::{self, IsTerminal as _};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

/// Beside a bare level: what libraries say of themselves only matters to those who name them.
const QUIET: &str = "fjall=warn,lsm_tree=warn,aya=info,aya_obj=info";

#[derive(Args, Debug)]
pub(super) struct LogOptions {
    /// What to log, such as `debug` or `gateway_user::run=trace` [default: $GATEWAY_LOG, else `info`]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// How to log
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum LogFormat {
    /// Lines for people
    Text,
    /// A JSON object for each line
    Json,
}

impl LogOptions {
    /// Starts logging.
    pub(super) fn start(&self) -> anyhow::Result<()> {
        let filter = self.log.clone().or_else(|| std::env::var("GATEWAY_LOG").ok()).unwrap_or("info".to_owned());
        let filter = if filter.contains([',', '=']) { filter } else { format!("{filter},{QUIET}") };
        let filter = EnvFilter::try_new(&filter).with_context(|| format!("--log {filter}"))?;
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
        let builder = builder.with_ansi(io::stderr().is_terminal());
        let started = match self.log_format {
            LogFormat::Text => builder.try_init(),
            LogFormat::Json => builder.json().flatten_event(true).with_target(true).try_init(),
        };
        started.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))
    }
}
