//! What the engine asks of a hypervisor host, in model types: the traits by role, the simulated fleet, and the contract
//! every implementation passes.
//!
//! Nothing here knows libvirt. A [`Connector`] turns a URI into a [`Host`]; a `Host` is the roles together.
//! Implementations: `bellwether-libvirt` for real hosts, [`sim`] for hosts with `sim://` URIs.

pub mod contract;
pub mod definition;
pub mod error;
pub mod roles;
pub mod sample;
pub mod sim;

pub use definition::*;
pub use error::{HypervisorError, Result};
pub use roles::*;
pub use sample::*;
