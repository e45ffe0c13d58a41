//! bellwetherd: REST, pages, live events.

use bellwether_server::cli::Cli;
use clap::Parser;

/// Pages are made of many small strings: the C library's allocator took a quarter of the time of drawing them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    match Cli::parse().run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bellwetherd: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
