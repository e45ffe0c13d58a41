//! The log: one line an event on standard error, for people or as JSON.

use crate::config::{Log, LogFormat};
use anyhow::{Context, Result};
use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Whether the filter can be understood.
pub fn check(log: &Log) -> Result<()> {
    filter(log).map(drop)
}

fn filter(log: &Log) -> Result<EnvFilter> {
    match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::try_new(filter).context("RUST_LOG is wrong"),
        _ => EnvFilter::try_new(&log.filter)
            .with_context(|| format!("log.filter = \"{}\" is wrong", log.filter)),
    }
}

/// Begins logging; once a process.
pub fn begin(log: &Log) -> Result<()> {
    let lines = fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter(log)?);
    match log.format {
        LogFormat::Text => registry
            .with(lines.with_ansi(std::io::stderr().is_terminal()))
            .try_init()?,
        LogFormat::Json => registry
            .with(
                lines
                    .json()
                    .flatten_event(true)
                    .with_current_span(true)
                    .with_span_list(false),
            )
            .try_init()?,
    }
    Ok(())
}
