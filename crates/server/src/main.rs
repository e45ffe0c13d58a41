//! bellwetherd: REST, pages, live events.

use bellwether_server::cli::Cli;
use clap::Parser;

/// Pages are made of many small strings: the C library's allocator takes a quarter of the time they need. Unoptimised, as
/// in a debug build, it is slower than that one.
#[cfg(not(debug_assertions))]
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
