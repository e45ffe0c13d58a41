//! The stage: a lab of two hosts, and what is true on them, asked past the server.

use bellwether_lab::{Lab, Options};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};
use uuid::Uuid;

/// A lab that goes when the test ends, however it ends.
pub struct Hosts {
    pub lab: Lab,
    /// What somebody made by hand on a host, which no server touches and [`Hosts::domains`] leaves out.
    pub by_hand: Option<ByHand>,
}

/// A VM made by hand, and what was true of it when it was.
pub struct ByHand {
    uuid: Uuid,
    definition: String,
    process: String,
    disk: PathBuf,
    content: Vec<u8>,
}

impl Hosts {
    /// Two hosts; none where the tests were not asked to use a lab.
    pub fn up(name: &str) -> Option<Self> {
        if std::env::var("BELLWETHER_LAB").as_deref() != Ok("1") {
            eprintln!("not run: it needs a lab; set BELLWETHER_LAB=1 and be root");
            return None;
        }
        let lab = bellwether_lab::ensure_lab(&bellwether_lab::unique_name(name), 2).unwrap();
        Some(Self { lab, by_hand: None })
    }

    /// Starts again what does not run of the lab, as it is now; the way back is the caller's to keep.
    pub fn repair(&self) -> Lab {
        bellwether_lab::ensure_lab(self.lab.name.as_str(), 2).unwrap()
    }

    /// What virsh says on a host, counted from nought.
    pub fn virsh(&self, host: usize, words: &[&str]) -> Result<String, String> {
        let output = Command::new("timeout")
            .args(["20", "virsh", "--connect", &self.lab.hosts[host].uris.local])
            .args(words)
            .output()
            .unwrap();
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    }

    /// The VMs a host knows, each with whether it is live there.
    pub fn domains(&self, host: usize) -> BTreeMap<Uuid, bool> {
        let list = |words: &[&str]| -> BTreeSet<Uuid> {
            let text = self.virsh(host, words).unwrap();
            text.split_whitespace()
                .map(|word| word.parse().unwrap())
                .collect()
        };
        let live = list(&["list", "--uuid"]);
        let all = list(&["list", "--all", "--uuid"]);
        let by_hand = self.by_hand.as_ref().map(|vm| vm.uuid);
        all.into_iter()
            .filter(|uuid| Some(*uuid) != by_hand)
            .map(|uuid| (uuid, live.contains(&uuid)))
            .collect()
    }

    /// Makes a VM on a host with virsh alone, without a word to any server.
    pub fn make_by_hand(&mut self, host: usize) -> Uuid {
        let disk = self.lab.hosts[host].local_pool.join("by-hand.raw");
        let content = b"somebody's only copy".repeat(4096);
        std::fs::write(&disk, &content).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        let xml = include_str!("by-hand.xml").replace("DISK", disk.to_str().unwrap());
        std::fs::write(file.path(), xml).unwrap();
        self.virsh(host, &["define", file.path().to_str().unwrap()])
            .unwrap();
        self.virsh(host, &["start", "by-hand"]).unwrap();
        let uuid = self.virsh(host, &["domuuid", "by-hand"]).unwrap();
        let uuid = uuid.parse().unwrap();
        let (definition, process) = self.of_by_hand(host, uuid);
        self.by_hand = Some(ByHand {
            uuid,
            definition,
            process,
            disk,
            content,
        });
        uuid
    }

    /// Whatever went on around it, that VM is as it was made.
    pub fn by_hand_was_not_touched(&self, host: usize) {
        let vm = self.by_hand.as_ref().unwrap();
        let (definition, process) = self.of_by_hand(host, vm.uuid);
        assert_eq!(definition, vm.definition);
        assert_eq!(process, vm.process, "the same guest runs");
        assert!(std::fs::read(&vm.disk).unwrap() == vm.content, "its disk");
    }

    fn of_by_hand(&self, host: usize, uuid: Uuid) -> (String, String) {
        let words = ["dumpxml", "--inactive", "by-hand"];
        let definition = self.virsh(host, &words).unwrap();
        (definition, self.guest_process(host, uuid))
    }

    /// virsh's word for a VM's state on a host; none where it is not known there.
    pub fn state(&self, host: usize, vm: Uuid) -> Option<String> {
        self.virsh(host, &["domstate", &vm.to_string()]).ok()
    }

    /// The hosts on which a VM's guest runs, paused or not.
    pub fn live_on(&self, vm: Uuid) -> Vec<usize> {
        let on = |host: &usize| self.domains(*host).get(&vm) == Some(&true);
        (0..2).filter(on).collect()
    }

    /// Every file of a VM in the pools: the one the hosts share, and those of their own.
    pub fn vm_files(&self) -> BTreeSet<String> {
        let own = self
            .lab
            .hosts
            .iter()
            .map(|host| host.local_pool.clone())
            .chain([self.lab.shared_pool()]);
        let names = own.flat_map(|folder| {
            let entries = std::fs::read_dir(&folder).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap())
        });
        names
            .filter(|name| name.starts_with("bw-") && !name.starts_with("bw-image-"))
            .collect()
    }

    pub fn has_file(&self, name: &str) -> bool {
        self.lab.shared_pool().join(name).exists()
    }

    /// The process of a VM's guest on a host: the same one as long as nobody started it anew.
    pub fn guest_process(&self, host: usize, vm: Uuid) -> String {
        let name = self.virsh(host, &["domname", &vm.to_string()]).unwrap();
        let hosts = self.lab.hosts[host].local_pool.parent().unwrap().parent();
        let file = hosts.unwrap().join("run/qemu").join(format!("{name}.pid"));
        std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    /// Kills a host's libvirtd, as a crash would.
    pub fn kill_libvirtd(&self, host: usize) {
        signal(self.libvirtd(host), "-KILL");
    }

    /// The process of a host's libvirtd: the one of that name in the host's own process namespace.
    pub fn libvirtd(&self, host: usize) -> u32 {
        let init = self.lab.hosts[host].init.unwrap();
        let namespace = |pid: i32| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let here = namespace(init.pid).unwrap();
        let pid = std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
            .find(|pid| {
                let named = std::fs::read_to_string(format!("/proc/{pid}/comm"));
                named.is_ok_and(|name| name == "libvirtd\n")
                    && namespace(*pid).as_ref() == Some(&here)
            });
        pid.unwrap().unsigned_abs()
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        let base = Options::new(self.lab.name.clone(), 2).base;
        if let Err(error) = bellwether_lab::down(&base, &self.lab.name) {
            eprintln!("the lab {} was left behind: {error:#}", self.lab.name);
        }
    }
}

/// Sends a process a signal by its name.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([name, &pid.to_string()]).status();
    assert!(sent.unwrap().success());
}

/// Asks until there is an answer, generously; fails the test after that.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let end = Instant::now() + Duration::from_secs(180);
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(Instant::now() < end, "never seen: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The text of a file, as far as it can be read.
pub fn text_of(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
