//! Plan: a host is emptied, and filled again, by moves in order.
//!
//! [`prospect`] says from what was last seen which VM would go where, in which order, and who stands in the way: nothing
//! moves before that was looked at. [`begin`] keeps it and puts the host aside; [`carry_out`] makes the moves, each as soon
//! as its links and its room allow, and plans anew from what is seen after every one that ended. A process that dies
//! leaves what is stored and what hosts say, from which the next one goes on.

mod begin;
mod carry_out;
mod prospect;
mod steps;

pub use begin::{cancel, drain, resume};
pub(crate) use carry_out::run;
pub use prospect::prospect;
