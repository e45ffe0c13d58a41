//! The commands of bellwetherd.

use crate::{admin, config::Config, logging, router, run};
use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use std::{io::Write, path::PathBuf};

/// Bellwether's server: self-service VMs on hosts that run libvirt.
#[derive(Debug, Parser)]
#[command(name = "bellwetherd", version, about)]
pub struct Cli {
    /// Configuration; without it the defaults (http://127.0.0.1:8080).
    #[arg(long, value_name = "FILE", global = true, env = "BELLWETHER_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve (also when no command is given).
    Serve,
    /// Administrators' accounts.
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Check the configuration, and say what would be served.
    CheckConfig,
    /// Print the OpenAPI document of the REST interface.
    Openapi,
}

#[derive(Debug, Subcommand)]
enum AdminCommand {
    /// Make an administrator. The password is asked for, or read from the first line of standard input.
    Create(NewAdmin),
}

/// An administrator to make; the password is never an argument, where every process could read it.
#[derive(Debug, Args)]
pub struct NewAdmin {
    /// Login name: 2–32 of a–z, 0–9, '.', '_', '-', beginning with a letter.
    pub login: String,
    /// The person's name; the login if not given.
    #[arg(long)]
    pub full_name: Option<String>,
    /// Mail address; LOGIN@localhost if not given.
    #[arg(long)]
    pub mail: Option<String>,
}

impl Cli {
    /// Does what was asked.
    pub fn run(self) -> Result<()> {
        let config = || Config::load(self.config.as_deref());
        match self.command.unwrap_or(Command::Serve) {
            Command::Serve => {
                let config = config()?;
                logging::begin(&config.log)?;
                runtime()?.block_on(run::run(config))
            }
            Command::Admin(AdminCommand::Create(new)) => {
                runtime()?.block_on(admin::create(&config()?, new))
            }
            Command::CheckConfig => {
                let config = config()?;
                logging::check(&config.log)?;
                if let Some(files) = &config.tls {
                    crate::tls::Tls::load(files)?;
                }
                config.push()?;
                config.metrics.token()?;
                print(&summary(&config))
            }
            Command::Openapi => print(&router::openapi().to_pretty_json()?),
        }
    }
}

/// To standard output, which may be a pipe that nobody reads to the end.
fn print(text: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("can't start the runtime")
}

/// What a configuration comes to, in a few lines.
fn summary(config: &Config) -> String {
    let scheme = if config.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let zone = config.time_zone.as_deref().unwrap_or("the machine's");
    format!(
        "The configuration is good.\nlisten     {scheme}://{}\ndatabase   {}\ndata_dir   {}\ntime_zone  {zone}",
        config.listen,
        config.database_shown(),
        config.data_dir.display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_commands_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_password_is_no_argument() {
        assert!(
            Cli::try_parse_from(["bellwetherd", "admin", "create", "ada", "--password", "x"])
                .is_err()
        );
        let cli = Cli::try_parse_from(["bellwetherd", "--config", "f.toml"]).unwrap();
        assert!(cli.command.is_none());
    }
}
