//! The simulated fleet: hosts with `sim://FLEET/HOST` URIs that behave as libvirt hosts do where it matters to us, on
//! tokio's clock (virtual where a test pauses it), with faults planned by tests.
//!
//! ```no_run
//! # async fn example() -> bellwether_hypervisor::Result<()> {
//! use bellwether_hypervisor::{Connector, sim::{Fault, Op, SimFleet, SimSpec}};
//! let fleet = SimFleet::new(SimSpec::new("test", 2));
//! fleet.fault("host01", Op::Define, Fault::After, 1); // defined, but the answer is lost
//! let host = fleet.connector().connect(&fleet.uri("host01")).await?;
//! assert!(fleet.check().is_empty()); // nothing ran twice, no disk in use was deleted
//! # Ok(()) }
//! ```
//!
//! The state lives in the process: a server that restarts finds a new fleet of the same shape. Migrations, shutting
//! guests and restarting daemons go on by themselves, whoever asked for them may be gone.

mod check;
mod connector;
mod counters;
mod cpu;
mod fault;
mod fleet;
mod host;
mod moves;
mod pool;
mod spec;
mod strangers;
#[cfg(test)]
mod tests;
mod vm;
mod world;

pub use connector::{SimConnector, register};
pub use fault::{Fault, Gate, Op};
pub use fleet::SimFleet;
pub use host::SimHost;
pub use pool::Digest;
pub use spec::{Guest, SimSpec};
