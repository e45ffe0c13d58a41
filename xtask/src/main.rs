//! `cargo xtask`: chores of the house.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chores of the house.
#[derive(Parser)]
#[command(name = "xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Check that the house is as ARCHITECTURE.md says: who may depend on whom, where SQL and unsafe code live
    Tidy,
    /// Write what Grafana is provisioned with into deploy/grafana, from its one definition
    Dashboards {
        /// Write nothing; fail where a file is not what would be written
        #[arg(long)]
        check: bool,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().chore {
        Chore::Tidy => tidy(),
        Chore::Dashboards { check } => dashboards(check),
    }
}

fn tidy() -> anyhow::Result<ExitCode> {
    let findings = xtask::tidy::check(&xtask::root())?;
    for finding in &findings {
        eprintln!("{finding}");
    }
    if findings.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "\n{} findings; ARCHITECTURE.md says why these rules are there",
        findings.len()
    );
    Ok(ExitCode::FAILURE)
}

fn dashboards(check: bool) -> anyhow::Result<ExitCode> {
    let root = xtask::root();
    if !check {
        xtask::dashboards::write(&root)?;
        return Ok(ExitCode::SUCCESS);
    }
    let stale = xtask::dashboards::stale(&root)?;
    for file in &stale {
        eprintln!(
            "{} is not what `cargo xtask dashboards` writes",
            file.display()
        );
    }
    Ok(ExitCode::from(u8::from(!stale.is_empty())))
}
