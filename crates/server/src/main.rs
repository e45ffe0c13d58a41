//! bellwetherd: REST, pages, live events.

use bellwether_server::cli::Cli;
use clap::Parser;

fn main() -> std::process::ExitCode {
    match Cli::parse().run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bellwetherd: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
