//! Cores and memory of a host's own, by control groups: version 1, version 2, or both as the machine has them mounted.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use crate::process::wait_until;

/// The length of the CPU quota's period, in µs.
const PERIOD_US: u64 = 100_000;

/// The weight of all hosts together beside whatever else runs: that of ten tasks. With the usual weight of one, hosts
/// would crawl as soon as the machine compiles something, and guests' clocks with them; their quotas still bound them.
const SHARES: &str = "10240";
const UNIFIED_WEIGHT: &str = "1000";

/// One mounted hierarchy that carries at least one controller a lab uses.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hierarchy {
    mount: PathBuf,
    unified: bool,
    controllers: Vec<String>,
}

/// The controllers a lab bounds its hosts by; `cpuacct` only so that a host sees its own CPU time.
const CONTROLLERS: [&str; 5] = ["cpu", "cpuacct", "cpuset", "memory", "pids"];

/// Most processes and threads of one host: some hundred guests.
const PIDS: &str = "8192";

/// What a host may use.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Limits {
    /// Cores' worth of CPU time.
    pub cores: f64,
    /// Which of the machine's cores, as `0-1,3`.
    pub cpus: String,
    /// Bytes.
    pub memory: u64,
}

/// Makes the group `path` (`<lab>/<host>`) with these limits, or sets them anew, and gives the `cgroup.procs` files
/// to join. Empty where the machine has no usable hierarchy.
///
/// # Errors
/// When a hierarchy that is there refuses.
pub(crate) fn make(path: &str, limits: &Limits) -> anyhow::Result<Vec<String>> {
    let mut procs = Vec::new();
    for hierarchy in hierarchies()? {
        let group = hierarchy.mount.join(path);
        if hierarchy.unified {
            delegate(&hierarchy, path);
        }
        fs::create_dir_all(&group)
            .with_context(|| format!("cannot make control group {}", group.display()))?;
        let has = |wanted: &str| {
            hierarchy
                .controllers
                .iter()
                .any(|controller| controller == wanted)
        };
        if !hierarchy.unified && has("cpuset") {
            inherit_cpuset(&hierarchy.mount, path)?;
        }
        if has("cpu") {
            let (file, value) = if hierarchy.unified {
                ("cpu.weight", UNIFIED_WEIGHT)
            } else {
                ("cpu.shares", SHARES)
            };
            let whole = path.split('/').next().unwrap_or(path);
            fs::write(hierarchy.mount.join(whole).join(file), value)
                .context("cannot weigh the lab's control group")?;
        }
        for controller in &hierarchy.controllers {
            for (file, value) in settings(controller, hierarchy.unified, limits) {
                fs::write(group.join(file), &value).with_context(|| {
                    format!("cannot write {value} to {}", group.join(file).display())
                })?;
            }
        }
        procs.push(group.join("cgroup.procs").to_string_lossy().into_owned());
    }
    Ok(procs)
}

/// Removes the group `path` and the groups in it; waits for their last processes to be gone.
pub(crate) fn remove(path: &str) -> anyhow::Result<()> {
    for hierarchy in hierarchies()? {
        let group = hierarchy.mount.join(path);
        if !wait_until(Duration::from_secs(10), || remove_tree(&group)) {
            anyhow::bail!("control group {} still holds processes", group.display());
        }
    }
    Ok(())
}

fn remove_tree(group: &Path) -> bool {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    match fs::remove_dir(group) {
        Ok(()) => true,
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Version 2: a group offers its children only the controllers named in its `cgroup.subtree_control`.
fn delegate(hierarchy: &Hierarchy, path: &str) {
    let mut level = hierarchy.mount.clone();
    for part in Path::new(path).components() {
        for controller in &hierarchy.controllers {
            // One that cannot be had is noticed when its limit is written.
            let _ = fs::write(
                level.join("cgroup.subtree_control"),
                format!("+{controller}"),
            );
        }
        level.push(part);
        let _ = fs::create_dir(&level);
    }
}

/// Version 1: a new cpuset is empty, nothing can run in it, and its children can be no larger.
fn inherit_cpuset(mount: &Path, path: &str) -> anyhow::Result<()> {
    let mut level = mount.to_owned();
    for part in Path::new(path).components() {
        let parent = level.clone();
        level.push(part);
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if fs::read_to_string(level.join(file))?.trim().is_empty() {
                fs::write(level.join(file), fs::read_to_string(parent.join(file))?)?;
            }
        }
    }
    Ok(())
}

/// The files to write for one controller.
fn settings(controller: &str, unified: bool, limits: &Limits) -> Vec<(&'static str, String)> {
    // At least 1 ms of each period, the least the kernel takes.
    let quota = ((limits.cores * PERIOD_US as f64) as u64).max(1_000);
    match (controller, unified) {
        ("cpu", false) => vec![
            ("cpu.cfs_period_us", PERIOD_US.to_string()),
            ("cpu.cfs_quota_us", quota.to_string()),
        ],
        ("cpu", true) => vec![("cpu.max", format!("{quota} {PERIOD_US}"))],
        ("cpuset", _) => vec![("cpuset.cpus", limits.cpus.clone())],
        ("pids", _) => vec![("pids.max", PIDS.to_owned())],
        ("memory", false) => vec![("memory.limit_in_bytes", limits.memory.to_string())],
        ("memory", true) => vec![("memory.max", limits.memory.to_string())],
        _ => Vec::new(),
    }
}

fn hierarchies() -> anyhow::Result<Vec<Hierarchy>> {
    let mounts =
        fs::read_to_string("/proc/self/mountinfo").context("cannot read the machine's mounts")?;
    Ok(parse(&mounts, |mount| {
        fs::read_to_string(mount.join("cgroup.controllers")).unwrap_or_default()
    }))
}

/// Finds each controller once: in its version 1 hierarchy, else in version 2's.
fn parse(mountinfo: &str, unified_controllers: impl Fn(&Path) -> String) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    let mut unified = None;
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else {
            continue;
        };
        let Some(mount) = left.split(' ').nth(4).map(PathBuf::from) else {
            continue;
        };
        let mut right = right.split(' ');
        match right.next() {
            Some("cgroup") => {
                let options = right.nth(1).unwrap_or_default();
                let controllers: Vec<String> = options
                    .split(',')
                    .filter(|option| CONTROLLERS.contains(option))
                    .map(String::from)
                    .collect();
                let known = |controller: &String| {
                    found
                        .iter()
                        .any(|hierarchy| hierarchy.controllers.contains(controller))
                };
                if !controllers.is_empty() && !controllers.iter().any(known) {
                    found.push(Hierarchy {
                        mount,
                        unified: false,
                        controllers,
                    });
                }
            }
            Some("cgroup2") if unified.is_none() => unified = Some(mount),
            _ => {}
        }
    }
    if let Some(mount) = unified {
        let offered = unified_controllers(&mount);
        let controllers: Vec<String> = offered
            .split_whitespace()
            .filter(|name| CONTROLLERS.contains(name))
            .map(String::from)
            .collect();
        if !controllers.is_empty() {
            found.push(Hierarchy {
                mount,
                unified: true,
                controllers,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "\
25 21 0:22 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
26 25 0:23 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
28 25 0:25 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
29 25 0:26 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
30 25 0:27 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
35 25 0:32 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
36 25 0:26 / /somewhere/memory rw,relatime - cgroup cgroup rw,memory";
    const V2: &str = "25 21 0:22 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate";

    #[test]
    fn version_1_hierarchies_are_found_once_each_and_an_empty_version_2_beside_them_is_left_alone()
    {
        let found = parse(V1, |_| String::new());
        let mounts: Vec<_> = found
            .iter()
            .map(|hierarchy| hierarchy.mount.to_str().unwrap())
            .collect();
        assert_eq!(
            mounts,
            [
                "/sys/fs/cgroup/cpu,cpuacct",
                "/sys/fs/cgroup/cpuset",
                "/sys/fs/cgroup/memory",
                "/sys/fs/cgroup/pids"
            ]
        );
        assert!(found.iter().all(|hierarchy| !hierarchy.unified));
    }

    #[test]
    fn version_2_alone_carries_all() {
        let found = parse(V2, |_| "cpuset cpu io memory pids\n".to_owned());
        assert_eq!(found.len(), 1);
        assert!(found[0].unified);
        assert_eq!(found[0].controllers, ["cpuset", "cpu", "memory", "pids"]);
    }

    #[test]
    fn half_a_core_is_half_of_each_period_in_both_versions() {
        let limits = Limits {
            cores: 0.5,
            cpus: "0".into(),
            memory: 4 << 30,
        };
        assert_eq!(settings("cpu", false, &limits)[1].1, "50000");
        assert_eq!(
            settings("cpu", true, &limits)[0],
            ("cpu.max", "50000 100000".to_owned())
        );
        assert_eq!(settings("memory", true, &limits)[0].1, "4294967296");
    }
}
