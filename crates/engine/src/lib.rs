//! Jobs, tasks and the stages of a VM's life.
//!
//! The modules stand in the order of a VM's life; each stage reads as three blocks: *gather* (store, hypervisor) →
//! *decide* (one call of a pure function) → *act*.
//!
//! - Before there is a VM: [`people`], [`sessions`], [`request`], [`approve`], [`place`].
//! - Making it: [`provision`] (a job), [`seed`].
//! - Living: [`monitor`] (a task), [`power`], [`reach`] (a task), [`console`], [`secrets`], [`migrate`], [`plan`] (a task: a host is
//!   emptied).
//! - Ending: [`expire`] (a task), [`delete`].
//! - Told to others: [`export`] (measurements), [`alert`] (a task: what somebody should know).
//! - Always: [`reconcile`] (a task), [`jobs`] (the journal and its runner).
//! - What the fleet is made of: [`hosts`], [`storages`], [`networks`], [`images`], [`policy`].

pub mod alert;
pub mod approve;
pub mod console;
pub mod delete;
pub mod expire;
pub mod export;
pub mod forecast;
pub mod hosts;
pub mod images;
pub mod jobs;
pub mod migrate;
pub mod monitor;
pub mod networks;
pub mod people;
pub mod place;
pub mod plan;
pub mod policy;
pub mod power;
pub mod provision;
pub mod reach;
pub mod reconcile;
pub mod request;
pub mod secrets;
pub mod seed;
pub mod sessions;
pub mod storages;

mod actor;
mod again;
mod audit;
mod clock;
mod engine;
mod links;
mod live;
mod look;
mod passwords;
mod tasks;
pub mod usage;

pub use actor::{Actor, Admin};
pub use clock::Clock;
pub use engine::{Engine, Paces, Running, Settings};
pub use links::Links;
pub use live::Live;
pub use look::Look;
pub use tasks::TaskStatus;
