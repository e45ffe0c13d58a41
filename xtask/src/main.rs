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
}

fn main() -> anyhow::Result<ExitCode> {
    let Chore::Tidy = Arguments::parse().chore;
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
