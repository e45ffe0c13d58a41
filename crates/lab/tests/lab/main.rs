//! The lab itself, for real: it needs root and the packages of `scripts/setup lab`, and runs when BELLWETHER_LAB=1.

#![allow(clippy::unwrap_used)]

mod apart;
mod guests;
mod story;
mod support;
mod traces;
mod whole;
