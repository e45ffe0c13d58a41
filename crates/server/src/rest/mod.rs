//! REST under `/api/v1`: one file a noun. A handler takes apart what was asked, calls one function of the engine (or
//! reads the store and what was last observed) and puts the answer into wire types; it decides nothing. The conventions
//! are in `docs/api-design.md`.

pub mod alerts;
pub mod audit;
pub mod events;
pub mod fleet;
pub mod history;
pub mod hosts;
pub mod images;
pub mod jobs;
pub mod me;
pub mod metrics;
pub mod migrations;
pub mod moves;
pub mod networks;
pub mod plans;
pub mod policy;
pub mod requests;
pub mod scrape;
pub mod server;
pub mod session;
pub mod storages;
pub mod totals;
pub mod users;
pub mod vms;

mod answer;
pub(crate) mod input;
mod page;

pub use answer::{Created, Problems, Started};
