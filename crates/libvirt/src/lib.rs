//! Hosts that run libvirt, behind the traits of `bellwether-hypervisor`.
//!
//! - [`LibvirtConnector`] turns a URI into a host.
//! - `ffi`: handles over the C library; the only unsafe code of the project.
//! - `open`, `link`, `worker`: opening, keeping and reopening connections; every call on a thread with a deadline, so that
//!   a daemon that hangs is an error and not a hang.
//! - `inventory`, `power`, `volumes` (with `upload`), `migration`, `console`: one role each.
//! - `kernel`: what a host's kernel is, which libvirt does not tell.
//! - `xml`, `stats`, `trouble`: XML written and read, statistics and failures translated; pure.

mod console;
mod ffi;
mod host;
mod inventory;
mod kernel;
mod link;
mod migration;
mod open;
mod power;
mod stats;
mod trouble;
mod upload;
mod volumes;
mod worker;
mod written;
mod xml;

pub use host::LibvirtConnector;
