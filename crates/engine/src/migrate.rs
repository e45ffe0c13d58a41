//! Migrate: a running VM moves to another host without its guest noticing.
//!
//! [`choices`] says from what was last observed where it could go and what would stand in the way; [`ask`] makes the job
//! in [`work`], which has three steps: [`prepare`], [`copy`], [`settle`]. The move itself is peer to peer: it goes on when
//! this process dies, and whoever takes the job over finds out by asking both hosts how it ended.

mod ask;
mod choices;
pub(crate) mod compatibility;
mod copy;
mod limits;
mod prepare;
mod settle;
mod work;

pub use ask::{Target, Wish, ask};
pub use choices::{MigrationChoices, TargetChoice, consider};
pub use limits::{LimitsChange, MovesBy, set_limits, set_moves_by};
pub use work::Migrate;
