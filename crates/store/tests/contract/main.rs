//! The store's contract: every case runs on SQLite and on PostgreSQL, each with a fresh database.
//!
//! PostgreSQL cases need `BELLWETHER_TEST_POSTGRES`, the URL of a server on which databases may be made
//! (`scripts/postgres-for-tests start` makes one); without it they say that they are skipped, and under `CI_STRICT=1` fail.

// The helpers are test code too, which clippy's own exception for tests does not see.
#![allow(clippy::unwrap_used)]

mod world;

/// Declares cases: each an async function of a `World`, run once per engine.
macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        mod sqlite { $(#[test] fn $name() { crate::world::run(crate::world::Engine::Sqlite, super::$name) })+ }
        mod postgres { $(#[test] fn $name() { crate::world::run(crate::world::Engine::Postgres, super::$name) })+ }
    };
}
pub(crate) use cases;

mod addresses;
mod faults;
mod fleet;
mod history;
mod incidents;
mod jobs;
mod migrations;
mod people;
mod plans;
mod requests;
mod vms;
