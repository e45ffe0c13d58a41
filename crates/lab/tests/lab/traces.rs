//! What a lab could leave behind.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use bellwether_lab::{Lab, Process};

use crate::support::run;

/// Everything of a lab that could be left behind, taken down while it is up.
pub struct Traces {
    pub processes: Vec<Process>,
    namespaces: Vec<(String, u64)>,
    interfaces: Vec<String>,
    folder: std::path::PathBuf,
    group: String,
}

impl Traces {
    /// Taken down while it is up.
    pub fn of(lab: &Lab) -> Self {
        let own: Vec<(String, u64)> = lab
            .switch
            .iter()
            .chain(lab.hosts.iter().filter_map(|host| host.init.as_ref()))
            .flat_map(|process| {
                ["net", "mnt", "uts", "pid"]
                    .map(|kind| (kind.to_owned(), namespace(process.pid, kind)))
            })
            .collect();
        let machine = ["net", "mnt", "uts", "pid"]
            .map(|kind| (kind.to_owned(), namespace(std::process::id() as i32, kind)));
        let namespaces: Vec<_> = own
            .into_iter()
            .filter(|one| !machine.contains(one))
            .collect();
        assert!(
            namespaces.len() > 4 * lab.hosts.len(),
            "each host has four namespaces of its own"
        );
        let processes: Vec<Process> = pids()
            .filter(|pid| namespaces.contains(&("net".into(), namespace(*pid, "net"))))
            .filter_map(Process::of)
            .collect();
        assert!(
            processes.len() > 3 * lab.hosts.len(),
            "holder, libvirtd and sshd of each host"
        );
        Self {
            processes: processes.into_iter().chain(lab.lxcfs).collect(),
            namespaces,
            interfaces: vec![
                lab.guests.interface.clone(),
                lab.management.interface.clone(),
            ],
            folder: lab.folder.clone(),
            group: lab.name.group(),
        }
    }

    /// What of it is there still.
    pub fn left(&self) -> Vec<String> {
        let mut left: Vec<String> = self
            .processes
            .iter()
            .filter(|process| process.alive())
            .map(|process| format!("process {}", process.pid))
            .collect();
        left.extend(
            self.interfaces
                .iter()
                .filter(|name| Path::new(&format!("/sys/class/net/{name}")).exists())
                .cloned(),
        );
        // A zombie that nobody has collected yet holds nothing.
        for pid in pids().filter(|pid| Process::of(*pid).is_some()) {
            left.extend(
                self.namespaces
                    .iter()
                    .filter(|(kind, inode)| namespace(pid, kind) == *inode)
                    .map(|(kind, _)| format!("{kind} namespace of {pid}")),
            );
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        left.extend(
            mounts
                .lines()
                .filter(|line| line.contains(self.folder.to_str().unwrap()))
                .map(String::from),
        );
        let groups = run(&[
            "find",
            "/sys/fs/cgroup",
            "-maxdepth",
            "3",
            "-name",
            &self.group,
        ])
        .unwrap_or_default();
        left.extend(groups.lines().map(String::from));
        if self.folder.exists() {
            left.push(self.folder.display().to_string());
        }
        left
    }
}

fn pids() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The number of a process's namespace; 0 where there is none.
pub fn namespace(pid: i32, kind: &str) -> u64 {
    fs::metadata(format!("/proc/{pid}/ns/{kind}")).map_or(0, |link| link.ino())
}
