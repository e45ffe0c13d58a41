//! The server as its clients see it, on a simulated fleet and a SQLite database of its own.

#![allow(clippy::unwrap_used)] // in a test a panic is the message

mod access;
mod accounts;
mod acts;
mod alerts;
mod connections;
mod dashboards;
mod degraded;
mod document;
mod entrance;
mod events;
mod forms;
mod graphs;
mod hostile;
mod lists;
#[path = "../monitoring/mod.rs"]
mod monitoring;
mod moving;
mod peers;
mod problems;
mod scrape;
mod site;
mod uploads;
mod world;
