//! `lab.json`: what a lab is made of, written before each thing is made, so that `down` finds it after a crash.

use std::fs;
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::names::LabName;
use crate::process::Process;

/// Where labs are kept unless told otherwise.
pub const DEFAULT_STATE: &str = "/var/lib/bellwether-lab";

/// Folders a host replaces with its own; a lab's files cannot lie below one.
const HIDDEN_IN_HOSTS: [&str; 8] = [
    "/etc/libvirt",
    "/var/lib/libvirt",
    "/var/log/libvirt",
    "/var/cache/libvirt",
    "/run",
    "/etc/ssh",
    "/proc",
    "/sys",
];

/// Longest path the kernel takes for a unix socket.
const SOCKET_PATH_MAX: usize = 107;

/// Everything there is to know about one lab.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lab {
    /// The lab's name.
    pub name: LabName,
    /// The lab's own folder: this file, keys, disks and each host's private folders.
    pub folder: PathBuf,
    /// Whether `up` came to its end.
    pub complete: bool,
    /// Whether guests really run under KVM here; otherwise QEMU emulates, and hosts do not offer `kvm` at all.
    pub kvm: bool,
    /// Whether each host sees CPU and memory of its own in /proc (lxcfs), or the machine's.
    pub own_proc: bool,
    /// Whether cores and memory of each host are bounded by control groups.
    pub bounded: bool,
    /// What this machine could not give the lab, in words.
    pub lacking: Vec<String>,
    /// The network guests are on.
    pub guests: GuestNetwork,
    /// The network hosts speak to each other on, which no guest reaches.
    pub management: ManagementNetwork,
    /// Storage pools, the same names and paths on every host.
    pub pools: Vec<Pool>,
    /// Certificates of the lab's own authority, in libvirt's `pkipath` layout.
    pub tls: PathBuf,
    /// Folder with `ssh` (the command), `config`, `known_hosts` and the key by which root of any host lets in.
    pub ssh: PathBuf,
    /// Holder of the namespaces that the lab as a whole has: the network with both bridges in it, and the pids and
    /// mounts in which the hosts' own are nested. When it dies, the whole lab dies with it.
    pub switch: Option<Process>,
    /// The lab's lxcfs.
    pub lxcfs: Option<Process>,
    /// The hosts.
    pub hosts: Vec<Host>,
}

/// The guests' network: one segment for the guests of all hosts; the machine holds the gateway address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestNetwork {
    /// The bridge guests attach to, on every host.
    pub bridge: String,
    /// The network, as `address/prefix`.
    pub cidr: String,
    /// Its gateway: the machine.
    pub gateway: Ipv4Addr,
    /// First address free to give to guests.
    pub first: Ipv4Addr,
    /// Last address free to give to guests.
    pub last: Ipv4Addr,
    /// The machine's interface on it.
    pub interface: String,
}

/// The management and migration network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagementNetwork {
    /// The network, as `address/prefix`.
    pub cidr: String,
    /// The machine's own address on it.
    pub machine: Ipv4Addr,
    /// The machine's interface on it.
    pub interface: String,
}

/// A storage pool every host has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// libvirt's name of it.
    pub name: String,
    /// Whether all hosts see the same files in it.
    pub shared: bool,
    /// Where it is, seen from a host.
    pub path: String,
}

/// One host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Its name, which is its hostname too.
    pub name: String,
    /// Its place in the lab, from 1.
    pub number: u8,
    /// libvirt's `host_uuid`.
    pub uuid: uuid::Uuid,
    /// Its management address: libvirtd, sshd and migrations listen there and nowhere else.
    pub address: Ipv4Addr,
    /// Cores it may use.
    pub cores: f64,
    /// Memory it may use, in MiB.
    pub memory_mib: u64,
    /// How to reach its libvirtd.
    pub uris: Uris,
    /// Folder of its pool `local`, seen from the machine.
    pub local_pool: PathBuf,
    /// Its first process (pid 1 of its own pid namespace): when that dies, everything of the host dies with it.
    pub init: Option<Process>,
    /// Whether its first process has its own files and networks. One that was interrupted before that is not used: in
    /// it libvirtd would work on the machine's own files.
    pub furnished: bool,
}

/// The ways to one host's libvirtd. `local` is for this machine; the others are the same for the machine and for
/// the other hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uris {
    /// Through the unix socket: what a server on this machine uses.
    pub local: String,
    /// Without authentication, on the management network.
    pub tcp: String,
    /// With the lab's certificates.
    pub tls: String,
    /// As root, with the lab's key.
    pub ssh: String,
}

impl Lab {
    /// The folder of the lab of this name below `base`.
    ///
    /// # Errors
    /// When the path is not one a lab can use: relative, hidden in hosts, too long for a socket, or with characters
    /// that would need quoting in a URI or a configuration file.
    pub fn folder_of(base: &Path, name: &LabName) -> anyhow::Result<PathBuf> {
        let folder = base.join(name.as_str());
        let text = folder.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        if !folder.is_absolute() || !text.chars().all(plain) || text.contains("/..") {
            bail!(
                "state folder {text}: must be an absolute path of letters, digits, '/', '.', '_' and '-'"
            );
        }
        if let Some(hidden) = HIDDEN_IN_HOSTS
            .iter()
            .find(|hidden| folder.starts_with(hidden))
        {
            bail!(
                "state folder {text}: must not lie below {hidden}, which every lab host replaces with its own"
            );
        }
        if text.len() + "/hosts/host32/run/libvirt-admin-sock".len() > SOCKET_PATH_MAX {
            bail!(
                "state folder {text}: too long, a unix socket's path below it may have {SOCKET_PATH_MAX} bytes"
            );
        }
        Ok(folder)
    }

    /// Reads the lab of this name; none when there is no such lab.
    ///
    /// # Errors
    /// When the file is there and cannot be read or understood.
    pub fn load(base: &Path, name: &LabName) -> anyhow::Result<Option<Self>> {
        let path = Self::folder_of(base, name)?.join("lab.json");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        serde_json::from_str(&text)
            .map(Some)
            .with_context(|| format!("{} is not a lab's file", path.display()))
    }

    /// Writes the file whole or not at all.
    pub(crate) fn save(&self) -> anyhow::Result<()> {
        let fresh = self.folder.join("lab.json.new");
        fs::write(&fresh, serde_json::to_vec_pretty(self)?)?;
        fs::rename(&fresh, self.folder.join("lab.json"))?;
        Ok(())
    }

    /// The processes its record names.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let holders = self.hosts.iter().filter_map(|host| host.init);
        holders.chain(self.switch).chain(self.lxcfs).collect()
    }

    /// The host of this name.
    ///
    /// # Errors
    /// When there is none; the message names those there are.
    pub fn host(&self, name: &str) -> anyhow::Result<&Host> {
        let names = || {
            self.hosts
                .iter()
                .map(|host| host.name.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        self.hosts
            .iter()
            .find(|host| host.name == name)
            .with_context(|| format!("lab {} has no host {name:?}; it has {}", self.name, names()))
    }

    /// Notes once what this machine cannot give.
    pub(crate) fn lacks(&mut self, what: String) {
        if !self.lacking.contains(&what) {
            self.lacking.push(what);
        }
    }

    /// The folder of the pool `shared`, seen from the machine.
    pub fn shared_pool(&self) -> PathBuf {
        self.folder.join("shared")
    }

    /// The folder that holds one host's private folders.
    pub(crate) fn host_folder(&self, host: &Host) -> PathBuf {
        self.folder.join("hosts").join(&host.name)
    }

    /// The value of [`crate::process::MARKER`] for this lab's processes.
    pub(crate) fn marker(&self) -> String {
        self.folder.to_string_lossy().into_owned()
    }
}

impl Host {
    /// The process whose namespaces are the host's.
    pub(crate) fn init(&self) -> anyhow::Result<Process> {
        self.init
            .filter(Process::alive)
            .with_context(|| format!("host {} is not running; `up` brings it back", self.name))
    }
}

/// Writes a file nobody but root may read.
pub(crate) fn write_secret(path: &Path, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(content.as_ref())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_folder_hosts_could_not_see_is_refused() {
        let name: LabName = "demo".parse().unwrap();
        for bad in [
            "/run/labs",
            "/var/lib/libvirt/labs",
            "relative",
            "/tmp/with space",
            "/tmp/../etc",
        ] {
            assert!(Lab::folder_of(Path::new(bad), &name).is_err(), "{bad}");
        }
        let long = format!("/tmp/{}", "x".repeat(80));
        assert!(
            Lab::folder_of(Path::new(&long), &name)
                .unwrap_err()
                .to_string()
                .contains("socket")
        );
        assert_eq!(
            Lab::folder_of(Path::new("/tmp/labs"), &name).unwrap(),
            Path::new("/tmp/labs/demo")
        );
    }
}
