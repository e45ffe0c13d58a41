//! A lab: several real libvirt hosts on one machine, each in namespaces of its own, with real QEMU guests that really
//! migrate between them. It is the project's test bed, the quickstart's stage, and a way to try Bellwether.
//!
//! Tests of other crates bring one up like this and find in [`Lab`] what they need (see `docs/lab.md`):
//!
//! ```no_run
//! let lab = bellwether_lab::ensure_lab(&bellwether_lab::unique_name("mytest"), 2)?;
//! println!("{}", lab.hosts[0].uris.local);
//! bellwether_lab::down(&bellwether_lab::Options::new(lab.name.clone(), 2).base, &lab.name)?;
//! # Ok::<(), anyhow::Error>(())
//! ```

mod accelerator;
mod cgroup;
mod config;
mod host;
mod image;
mod keys;
mod lifecycle;
mod names;
mod network;
mod plan;
mod process;
mod run;
mod state;
mod status;
pub mod story;

pub use accelerator::kvm_runs_guests;
pub use image::{Kernel, cache_folder, test_image};
pub use lifecycle::{down, up};
pub use names::LabName;
pub use plan::{HOSTS_MAX, Options};
pub use process::Process;
pub use state::{DEFAULT_STATE, GuestNetwork, Host, Lab, ManagementNetwork, Pool, Uris};
pub use status::{LiveHost, Status, status};

/// Brings up the lab of this name with so many hosts; one that is up already is as good.
///
/// # Errors
/// As [`up`]; and when the name is no lab's name.
pub fn ensure_lab(name: &str, hosts: u8) -> anyhow::Result<Lab> {
    up(&Options::new(name.parse()?, hosts))
}

/// A name no other test process uses at the same time.
pub fn unique_name(prefix: &str) -> String {
    format!("{prefix}-{}", std::process::id())
}

impl Lab {
    /// Cuts a host off both networks: guests on it fall silent, and other hosts lose it. Its unix socket on this
    /// machine is no network and goes on answering.
    ///
    /// # Errors
    /// When there is no such host, or the lab does not run.
    pub fn cut(&self, host: &str) -> anyhow::Result<()> {
        network::set_connected(self, self.host(host)?, false)
    }

    /// Undoes [`Lab::cut`].
    ///
    /// # Errors
    /// As [`Lab::cut`].
    pub fn heal(&self, host: &str) -> anyhow::Result<()> {
        network::set_connected(self, self.host(host)?, true)
    }

    /// Limits a host's management link, which carries migrations, to `mbit` Mbit/s each way; none lifts the limit.
    ///
    /// # Errors
    /// As [`Lab::cut`].
    pub fn rate(&self, host: &str, mbit: Option<u32>) -> anyhow::Result<()> {
        network::set_rate(self, self.host(host)?, mbit)
    }

    /// Power off: the host's processes and guests are gone at once, its disks stay. [`up`] switches it on again.
    ///
    /// # Errors
    /// When there is no such host.
    pub fn power_off(&self, host: &str) -> anyhow::Result<()> {
        if let Some(init) = self.host(host)?.init {
            init.kill();
            process::wait_until(std::time::Duration::from_secs(10), || !init.alive());
        }
        Ok(())
    }
}
