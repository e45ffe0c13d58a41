//! What a simulated fleet is made of: a value that tests build, JSON can carry and a URI's query can shorten.

use crate::{HypervisorError, Result};
use bellwether_model::MiB;
use serde::{Deserialize, Serialize};

/// How a simulated guest behaves; each VM has one, and a test may change it while the VM runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Guest {
    /// vCPUs it keeps busy on average; never more than it has.
    pub load: f64,
    /// How far the load swings around its average: 0.0 steady, 1.0 between nothing and twice the average.
    pub swing: f64,
    /// Seconds of one swing.
    pub swing_seconds: f64,
    /// Share of its memory in use, 0.0–1.0.
    pub memory_share: f64,
    /// It has a balloon that reports; else its memory is unknown.
    pub balloon: bool,
    /// MiB a second it dirties: what decides whether a migration converges.
    pub dirty_mib_s: f64,
    /// It shuts down when asked; else it ignores the power button.
    pub obeys_shutdown: bool,
    /// Milliseconds from being asked until it is off.
    pub shutdown_ms: u64,
    /// Milliseconds from power-on until its address is known.
    pub boot_ms: u64,
    /// Its address can be known at all (agent, DHCP lease or ARP).
    pub address_known: bool,
    /// Bytes a second read from and written to disk.
    pub disk_rate: (u64, u64),
    /// Bytes of a disk request.
    pub disk_request_bytes: u64,
    /// Milliseconds a disk request takes.
    pub disk_latency_ms: f64,
    /// Bytes a second received and sent.
    pub net_rate: (u64, u64),
    /// Packets a second dropped on the way in.
    pub drop_rate: f64,
    /// CPU its emulator uses beside its vCPUs, as a share of theirs.
    pub overhead: f64,
    /// KiB a second it reads back from its swap; each 4 KiB are a major fault.
    pub swap_in_kib_s: f64,
}

impl Default for Guest {
    fn default() -> Self {
        Self {
            load: 0.1,
            swing: 0.0,
            swing_seconds: 600.0,
            memory_share: 0.4,
            balloon: true,
            dirty_mib_s: 2.0,
            obeys_shutdown: true,
            shutdown_ms: 2_000,
            boot_ms: 3_000,
            address_known: true,
            disk_rate: (16_384, 65_536),
            disk_request_bytes: 4_096,
            disk_latency_ms: 1.0,
            net_rate: (2_048, 1_024),
            drop_rate: 0.0,
            overhead: 0.0,
            swap_in_kib_s: 0.0,
        }
    }
}

/// A simulated fleet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimSpec {
    /// The fleet's name: the first part of `sim://FLEET/HOST`.
    pub name: String,
    /// How many hosts; they are called `host01`, `host02`, …
    pub hosts: u32,
    /// Cores of each.
    pub cores: u32,
    /// Memory of each, MiB.
    pub memory: MiB,
    /// Bytes of the pool `shared` that all hosts see; 0 for none.
    pub shared_bytes: u64,
    /// Bytes of each host's own pool `local`; 0 for none.
    pub local_bytes: u64,
    /// Bridges each host has.
    pub bridges: Vec<String>,
    /// VMs of strangers that run from the start, spread over the hosts.
    pub vms: u32,
    /// Hardware virtualisation works.
    pub kvm: bool,
    /// Features of each host's CPU.
    pub cpu_features: Vec<String>,
    /// MiB a second a link between two hosts carries.
    pub link_mib_s: u64,
    /// QEMU has certificates on each host, so that migrations can be encrypted.
    pub tls: bool,
    /// Milliseconds after which libvirt gives up a peer that no longer answers.
    pub lost_peer_ms: u64,
    /// Milliseconds each call takes.
    pub latency_ms: u64,
    /// Milliseconds after which a call that hangs gives up.
    pub deadline_ms: u64,
    /// How guests behave.
    pub guest: Guest,
    /// Guests differ in load and memory (by seed and UUID); else all are like `guest`.
    pub varied: bool,
    /// Seed of everything that varies.
    pub seed: u64,
    /// Seconds since 1970 on the hosts' clocks when the fleet begins; none for the machine's clock.
    pub epoch_s: Option<i64>,
}

impl Default for SimSpec {
    fn default() -> Self {
        Self {
            name: "sim".into(),
            hosts: 2,
            cores: 8,
            memory: MiB(16_384),
            shared_bytes: 1 << 40,
            local_bytes: 500 << 30,
            bridges: vec!["br0".into()],
            vms: 0,
            kvm: true,
            cpu_features: ["sse4.2", "avx", "avx2"].map(String::from).to_vec(),
            link_mib_s: 1_000,
            tls: true,
            lost_peer_ms: 30_000,
            latency_ms: 0,
            deadline_ms: 30_000,
            guest: Guest::default(),
            varied: false,
            seed: 1,
            epoch_s: None,
        }
    }
}

impl SimSpec {
    /// A fleet of this name and many hosts, otherwise as the default.
    pub fn new(name: &str, hosts: u32) -> Self {
        Self {
            name: name.into(),
            hosts,
            ..Self::default()
        }
    }

    /// A fleet for people to look at, from the short form in a URI's query:
    /// `hosts=50&vms=2000&cores=32&memory=262144&latency_ms=3&seed=7&shared=0&kvm=0`.
    /// Guests are varied there, unless it says `varied=0`; everything else is as the default.
    pub fn from_query(name: &str, query: &str) -> Result<Self> {
        let mut spec = Self {
            hosts: 3,
            cores: 16,
            memory: MiB(65_536),
            varied: true,
            ..Self::new(name, 3)
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let wrong = || HypervisorError::BadUri {
                uri: format!("sim://{name}/…?{query}"),
                why: format!(
                    "'{key}={value}' is not understood; it takes hosts, vms, cores, memory (MiB), shared, local (GiB), \
                     link (MiB/s), latency_ms, seed, kvm and varied (0 or 1), each with a whole number"
                ),
            };
            let number: u64 = value.parse().map_err(|_| wrong())?;
            let small = u32::try_from(number).map_err(|_| wrong());
            match key {
                "hosts" => spec.hosts = small?.clamp(1, 1_000),
                "vms" => spec.vms = small?.min(100_000),
                "cores" => spec.cores = small?.clamp(1, 4_096),
                "memory" => spec.memory = MiB(number.max(1_024)),
                "shared" => spec.shared_bytes = number.saturating_mul(1 << 30),
                "local" => spec.local_bytes = number.saturating_mul(1 << 30),
                "link" => spec.link_mib_s = number.max(1),
                "latency_ms" => spec.latency_ms = number,
                "seed" => spec.seed = number,
                "kvm" => spec.kvm = number != 0,
                "varied" => spec.varied = number != 0,
                _ => return Err(wrong()),
            }
        }
        Ok(spec)
    }
}

/// A number that looks random but only depends on its inputs (SplitMix64's finaliser).
pub(super) fn scramble(seed: u64, salt: u64) -> u64 {
    let mut z = seed
        .wrapping_add(salt.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_what_it_does_not_understand() {
        let spec = SimSpec::from_query("demo", "hosts=50&vms=2000&kvm=0").unwrap();
        assert_eq!((spec.hosts, spec.vms, spec.kvm), (50, 2_000, false));
        assert!(spec.varied);
        assert!(!SimSpec::from_query("demo", "varied=0").unwrap().varied);
        for wrong in ["hosts=many", "colour=7", "hosts=-1", "hosts"] {
            let said = SimSpec::from_query("demo", wrong).unwrap_err().to_string();
            assert!(said.contains("is not understood"), "{said}");
        }
    }

    #[test]
    fn a_spec_travels_as_json_and_refuses_typing_errors() {
        let spec: SimSpec = serde_json::from_str(r#"{"name":"a","hosts":4}"#).unwrap();
        assert_eq!(spec, SimSpec::new("a", 4));
        assert!(serde_json::from_str::<SimSpec>(r#"{"host":4}"#).is_err());
    }
}
