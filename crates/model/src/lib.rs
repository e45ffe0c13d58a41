//! The nouns of Bellwether: units in their types, states with their diagrams, errors; no input or output.
//!
//! Every other crate speaks in these types. What has a state has its diagram and a sentence per edge at the top of
//! its module; a change of state that is not an edge of the diagram is refused by [`states::State::step`].

pub mod alert;
pub mod audit;
pub mod counters;
pub mod error;
pub mod host;
pub mod host_uri;
pub mod ids;
pub mod image;
pub mod job;
pub mod migration;
pub mod migration_policy;
pub mod network;
pub mod observed;
pub mod people;
pub mod plan;
pub mod policy;
pub mod request;
pub mod signal;
pub mod states;
pub mod storage;
pub mod text;
pub mod time;
pub mod units;
pub mod vm;

pub use error::{Error, ErrorKind, FieldError, Refusal, Result};
pub use ids::*;
pub use time::{Day, Timestamp};
pub use units::{GiB, Mac, MiB, Share, Vcpus};
