//! What this crate does on real libvirt hosts, in a lab of its own: run with `BELLWETHER_LAB=1` as root.
//!
//! With `BELLWETHER_LAB_KEEP=NAME` the lab of that name is used and left up, which saves time while working on a test.

#![allow(clippy::unwrap_used)]

mod bench;
mod contract;
mod life;
mod moves;
mod trouble;
mod ways;
