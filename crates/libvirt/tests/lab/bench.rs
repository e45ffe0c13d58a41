//! The stage: a lab, hosts connected to it, and VMs to play with.

use bellwether_hypervisor::{
    Connector, DiskDefinition, GuestCpu, Host, Ownership, VmDefinition, VolumeSpec,
};
use bellwether_lab::{Kernel, Lab, Options, cache_folder, test_image};
use bellwether_libvirt::LibvirtConnector;
use bellwether_model::{Mac, MiB, Vcpus, network::Carrier, vm::Devices};
use std::{
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use uuid::Uuid;

/// A lab that goes when the test ends, however it ends.
pub struct Bench {
    pub lab: Lab,
    pub image: PathBuf,
    keep: bool,
}

impl Bench {
    /// A lab of two hosts; none where the tests were not asked to use one.
    pub fn up(name: &str) -> Option<Self> {
        if std::env::var("BELLWETHER_LAB").as_deref() != Ok("1") {
            eprintln!("not run: it needs a lab; set BELLWETHER_LAB=1 and be root");
            return None;
        }
        let kept = std::env::var("BELLWETHER_LAB_KEEP").ok();
        let name = kept
            .clone()
            .unwrap_or_else(|| bellwether_lab::unique_name(name));
        let lab = bellwether_lab::ensure_lab(&name, 2).expect("the lab comes up");
        let image = test_image(Kernel::Cloud, &cache_folder()).expect("there is a test image");
        Some(Self {
            lab,
            image,
            keep: kept.is_some(),
        })
    }
    /// The host's local URI.
    pub fn uri(&self, host: usize) -> &str {
        &self.lab.hosts[host].uris.local
    }
    /// A connection to a host.
    pub async fn host(&self, host: usize) -> Arc<dyn Host> {
        connector()
            .connect(self.uri(host))
            .await
            .expect("the host answers")
    }
    /// The process of a host's libvirtd: the one of that name in the host's own process namespace.
    pub fn libvirtd(&self, host: usize) -> i32 {
        let init = self.lab.hosts[host].init.expect("the host runs");
        let namespace = |pid: i32| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let here = namespace(init.pid).expect("the host's init runs");
        std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
            .find(|pid| {
                std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default()
                    == "libvirtd\n"
                    && namespace(*pid) == Some(here.clone())
            })
            .expect("libvirtd runs")
    }
    /// Has virsh do something on a host.
    pub fn virsh(&self, host: usize, words: &[&str]) -> String {
        let done = std::process::Command::new("virsh")
            .args(["--connect", self.uri(host)])
            .args(words)
            .output()
            .expect("virsh runs");
        assert!(done.status.success(), "{words:?}: {done:?}");
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }
    /// A guest's serial console, to type on: what it says is read and dropped. QEMU takes a moment to notice that it is
    /// open, and nothing that is typed before it closes again.
    pub fn console(&self, host: usize, vm: Uuid) -> std::fs::File {
        let console = self.virsh(host, &["ttyconsole", &vm.to_string()]);
        let init = self.lab.hosts[host].init.expect("the host runs").pid;
        let console = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY)
            .open(format!("/proc/{init}/root{console}"))
            .expect("the guest has a console");
        let mut said = console.try_clone().expect("it can be shared");
        // Ends with the guest.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        console
    }
    /// Starts again what does not run of the lab.
    pub fn repair(&mut self) {
        self.lab = bellwether_lab::ensure_lab(&self.lab.name.to_string(), 2).expect("it comes up");
    }
    /// The image in a pool; there afterwards, whoever put it there.
    pub async fn put_image(&self, host: &Arc<dyn Host>, pool: &str) -> String {
        let name = "test.qcow2".to_owned();
        if host.volume(pool, &name).await.unwrap().is_none() {
            let file = tokio::fs::File::open(&self.image).await.unwrap();
            let length = file.metadata().await.unwrap().len();
            host.upload(
                pool,
                &name,
                "qcow2",
                length,
                Box::pin(file),
                Box::new(|_| ()),
            )
            .await
            .unwrap();
        }
        name
    }
    /// Defines a VM with an overlay on the test image.
    pub async fn make_vm(&self, host: &Arc<dyn Host>, pool: &str) -> VmDefinition {
        let base = self.put_image(host, pool).await;
        let wanted = definition(pool);
        host.create_volume(pool, &overlay(&wanted, &base))
            .await
            .unwrap();
        host.define(&wanted).await.unwrap();
        wanted
    }
    /// Removes a VM and its disk wherever it is.
    pub async fn remove(&self, hosts: &[&Arc<dyn Host>], vm: &VmDefinition) {
        for host in hosts {
            if host.power(vm.uuid).await.unwrap().is_some() {
                host.force_off(vm.uuid).await.unwrap();
                host.undefine(vm.uuid).await.unwrap();
            }
            for disk in &vm.disks {
                host.delete_volume(&disk.pool, &disk.volume).await.unwrap();
            }
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if !self.keep
            && let Err(error) =
                bellwether_lab::down(&Options::new(self.lab.name.clone(), 2).base, &self.lab.name)
        {
            eprintln!("the lab {} was left behind: {error:#}", self.lab.name);
        }
    }
}

/// A connector as a lab needs it: its ssh keys are named by a command.
pub fn connector() -> LibvirtConnector {
    LibvirtConnector::new().allowing_ssh_commands()
}

/// The disk of a definition.
pub fn overlay(vm: &VmDefinition, base: &str) -> VolumeSpec {
    VolumeSpec {
        name: vm.disks[0].volume.clone(),
        capacity: 64 << 20,
        format: "qcow2".into(),
        backing: Some((base.to_owned(), "qcow2".into())),
    }
}

/// A small VM with a disk of its own name.
pub fn definition(pool: &str) -> VmDefinition {
    let uuid = Uuid::new_v4();
    let bytes = uuid.as_bytes();
    VmDefinition {
        uuid,
        name: format!("bw-{}-t", &uuid.simple().to_string()[..8]),
        title: "T <est>".into(),
        description: "for \"testing\" & more".into(),
        ownership: Ownership {
            owner: "ada".into(),
            name: "T <est>".into(),
            job: "j1".into(),
            ..Ownership::default()
        },
        vcpus: Vcpus(1),
        memory: MiB(160),
        cpu: GuestCpu::Emulated,
        devices: Devices::Virtio,
        disks: vec![DiskDefinition {
            pool: pool.into(),
            volume: format!("bw-{uuid}.qcow2"),
            format: "qcow2".into(),
            seed: false,
        }],
        mac: Mac::local([bytes[0], bytes[1], bytes[2]]),
        carrier: Carrier::Bridge("br0".into()),
    }
}

/// Asks until the answer is yes; fails the test after a generous while.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let end = Instant::now() + Duration::from_secs(90);
    while !ask().await {
        assert!(Instant::now() < end, "never seen: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Why a host can't be connected; none where it can.
pub async fn connector_connect(uri: &str) -> Option<bellwether_hypervisor::HypervisorError> {
    connector().connect(uri).await.err()
}
