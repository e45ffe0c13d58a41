//! The wire types of the REST interface and, with the feature `client`, a typed client.
//!
//! One file a noun. What goes over the wire is separate from `bellwether_model`, so that the inside may change while
//! the interface stays; each type says how it is made from the inside. Conventions and the table of endpoints are in
//! `docs/api-design.md`; [`route::ROUTES`] is the same table for programs, and the server builds its access test from it.

#[macro_use]
mod words;

pub mod alert;
pub mod audit;
#[cfg(feature = "client")]
pub mod client;
pub mod common;
pub mod event;
pub mod fleet;
pub mod host;
pub mod image;
pub mod job;
pub mod metrics;
pub mod migration;
pub mod migration_policy;
pub mod network;
pub mod plan;
pub mod policy;
pub mod problem;
pub mod request;
pub mod route;
pub mod server;
pub mod session;
pub mod storage;
pub mod totals;
pub mod user;
pub mod vm;

pub use common::{List, Moment, Names, Ref, Secret};
pub use problem::Problem;
pub use route::{Access, Method, ROUTES, Route};
