//! Every decision as a function of data. No clock, no random source, no input or output: time, seeds and what was seen
//! are arguments, so that each decision can be tested, shown with its reasons and repeated exactly.
//!
//! The files are the stages of a VM's life: [`request`] and [`account`] judge what people type, [`fleet`] is all hosts
//! and VMs at one moment as one value, [`place`] chooses a host and says why not the others, [`addresses`] gives out
//! addresses, [`monitor`] says what sights of several hosts mean together, [`migrate`] checks a move before it is made,
//! [`history`] what measurements will take on disk, [`forecast`] what a migration will take, [`order`] in which order moves are made, [`reach`] says whether a guest is reachable, [`expire`] enforces
//! leases, [`alert`] says what people should be told, [`reconcile`] compares what is intended with what is seen. Of the
//! places VMs live in, [`host`] says which machines may be hosts, [`connect`] what is still to be done by hand to reach
//! them, and [`fetch`] judges what a source of images answers.

pub mod account;
pub mod addresses;
pub mod alert;
pub mod connect;
pub mod evacuate;
pub mod expire;
pub mod fetch;
pub mod fleet;
pub mod forecast;
pub mod history;
pub mod host;
pub mod migrate;
pub mod monitor;
pub mod order;
pub mod place;
pub mod reach;
pub mod reconcile;
pub mod request;
pub mod ssh_key;
#[cfg(test)]
mod testing;
pub mod words;
