//! What a lab is to be: the options, and everything that follows from them before anything is made.

use std::fs;
use std::path::PathBuf;

use anyhow::bail;

use crate::config;
use crate::names::LabName;
use crate::network::{self, HOST_BASE, MACHINE_LAST};
use crate::state::{DEFAULT_STATE, GuestNetwork, Host, Lab, ManagementNetwork, Pool, Uris};

/// Most hosts a lab may have.
pub const HOSTS_MAX: u8 = 32;

/// Least memory a host can do with, in MiB: libvirtd and one small guest.
const MEMORY_MIN_MIB: u64 = 256;

/// What a lab is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder below which labs are kept.
    pub base: PathBuf,
    /// The lab's name.
    pub name: LabName,
    /// How many hosts.
    pub hosts: u8,
    /// Cores of each host in turn; the last value serves the hosts after it. Empty: the machine's, shared out.
    pub cores: Vec<f64>,
    /// Memory of each host in turn, in MiB; as with `cores`.
    pub memory_mib: Vec<u64>,
    /// Emulate even where KVM works.
    pub tcg: bool,
}

impl Options {
    /// A lab of this name with so many hosts, everything else as usual. `BELLWETHER_LAB_STATE` and
    /// `BELLWETHER_LAB_TCG=1` in the environment count.
    pub fn new(name: LabName, hosts: u8) -> Self {
        let base = std::env::var_os("BELLWETHER_LAB_STATE")
            .map_or_else(|| DEFAULT_STATE.into(), PathBuf::from);
        let tcg = std::env::var("BELLWETHER_LAB_TCG").is_ok_and(|value| value == "1");
        Self {
            base,
            name,
            hosts,
            cores: Vec::new(),
            memory_mib: Vec::new(),
            tcg,
        }
    }

    /// Refuses to take a lab that is there for one of another shape; what is not asked for may be as it is.
    pub(crate) fn check_same(&self, lab: &Lab) -> anyhow::Result<()> {
        let differs = |there: String, wanted: String| {
            bail!(
                "lab {} is there with {there}, not {wanted}; bring it down first",
                lab.name
            )
        };
        if lab.hosts.len() != usize::from(self.hosts) {
            return differs(format!("{} hosts", lab.hosts.len()), self.hosts.to_string());
        }
        for host in &lab.hosts {
            let cores = each(&self.cores, host.number).unwrap_or(host.cores);
            if cores != host.cores {
                return differs(
                    format!("{} of {} cores", host.name, host.cores),
                    cores.to_string(),
                );
            }
            let memory = each(&self.memory_mib, host.number).unwrap_or(host.memory_mib);
            if memory != host.memory_mib {
                return differs(
                    format!("{} of {} MiB", host.name, host.memory_mib),
                    memory.to_string(),
                );
            }
        }
        if self.tcg && lab.kvm {
            return differs("KVM".into(), "emulation".into());
        }
        Ok(())
    }
}

/// The value for a host out of values for each in turn, of which the last serves the hosts after it.
fn each<T: Copy>(values: &[T], number: u8) -> Option<T> {
    let own = values.get(usize::from(number) - 1);
    own.or(values.last()).copied()
}

/// The lab as it is to be, before anything of it is made.
pub(crate) fn plan(options: &Options, folder: PathBuf) -> anyhow::Result<Lab> {
    let name = options.name.clone();
    let subnets = network::choose_subnets(&name)?;
    let tls = folder.join("tls");
    let ssh = folder.join("ssh");
    let hosts = (1..=options.hosts).map(|number| {
        let host = format!("host{number}");
        let address = subnets.management(HOST_BASE + number);
        let own = folder.join("hosts").join(&host);
        Host {
            number,
            uuid: uuid::Uuid::new_v4(),
            address,
            cores: each(&options.cores, number).unwrap_or(usual_cores(options.hosts)),
            memory_mib: each(&options.memory_mib, number)
                .unwrap_or(usual_memory_mib(options.hosts)),
            uris: Uris {
                local: format!(
                    "qemu+unix:///system?socket={}/run/libvirt-sock",
                    own.display()
                ),
                tcp: format!("qemu+tcp://{address}/system"),
                tls: format!("qemu+tls://{address}/system?pkipath={}", tls.display()),
                ssh: format!(
                    "qemu+ssh://root@{address}/system?command={}/ssh",
                    ssh.display()
                ),
            },
            local_pool: own.join("lib/images"),
            init: None,
            furnished: false,
            name: host,
        }
    });
    Ok(Lab {
        complete: false,
        kvm: false,
        own_proc: false,
        bounded: false,
        lacking: Vec::new(),
        guests: GuestNetwork {
            bridge: "br0".into(),
            cidr: format!("{}/24", subnets.guest(0)),
            gateway: subnets.guest(MACHINE_LAST),
            first: subnets.guest(10),
            last: subnets.guest(200),
            interface: name.interface('g'),
        },
        management: ManagementNetwork {
            cidr: format!("{}/24", subnets.management(0)),
            machine: subnets.management(MACHINE_LAST),
            interface: name.interface('m'),
        },
        pools: vec![
            Pool {
                name: "shared".into(),
                shared: true,
                path: config::SHARED_POOL.into(),
            },
            Pool {
                name: "local".into(),
                shared: false,
                path: config::LOCAL_POOL.into(),
            },
        ],
        hosts: hosts.collect(),
        switch: None,
        lxcfs: None,
        tls,
        ssh,
        folder,
        name,
    })
}

/// Refuses values no lab can have.
pub(crate) fn check_options(options: &Options) -> anyhow::Result<()> {
    if !(1..=HOSTS_MAX).contains(&options.hosts) {
        bail!("--hosts {}: must be 1 to {HOSTS_MAX}", options.hosts);
    }
    if let Some(bad) = options
        .cores
        .iter()
        .find(|cores| !(0.05..=1024.0).contains(*cores))
    {
        bail!("--cores {bad}: must be 0.05 to 1024");
    }
    if let Some(bad) = options
        .memory_mib
        .iter()
        .find(|mib| !(MEMORY_MIN_MIB..=16 << 20).contains(*mib))
    {
        bail!("--memory {bad}: must be {MEMORY_MIN_MIB} MiB or more");
    }
    Ok(())
}

/// The machine's cores.
pub(crate) fn machine_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn usual_cores(hosts: u8) -> f64 {
    (machine_cores() / usize::from(hosts)).clamp(1, 4) as f64
}

/// 4 GiB, or less where that would be more than three quarters of the machine.
fn usual_memory_mib(hosts: u8) -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total_kib = text.lines().find_map(|line| {
        line.strip_prefix("MemTotal:")?
            .trim()
            .strip_suffix(" kB")?
            .parse::<u64>()
            .ok()
    });
    let share = total_kib.unwrap_or(0) / 1024 * 3 / 4 / u64::from(hosts);
    share.clamp(MEMORY_MIN_MIB, 4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_of_another_shape_is_not_taken_for_the_one_that_is_wanted() {
        let mut options = Options::new("demo".parse().unwrap(), 2);
        (options.cores, options.memory_mib) = (vec![1.0, 0.5], vec![1024]);
        let lab = plan(&options, "/tmp/labs/demo".into()).unwrap();
        assert_eq!(lab.hosts[1].cores, 0.5);
        assert_eq!(lab.hosts[1].memory_mib, 1024);
        options.check_same(&lab).unwrap();
        Options::new("demo".parse().unwrap(), 2)
            .check_same(&lab)
            .unwrap();
        let refused = |change: fn(&mut Options)| {
            let mut other = options.clone();
            change(&mut other);
            other.check_same(&lab).unwrap_err().to_string()
        };
        assert!(refused(|other| other.hosts = 3).contains("2 hosts, not 3"));
        assert!(refused(|other| other.cores = vec![1.0]).contains("host2 of 0.5 cores, not 1"));
        assert!(refused(|other| other.memory_mib = vec![2048]).contains("1024 MiB, not 2048"));
    }
}
