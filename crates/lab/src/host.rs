//! One libvirt host: a process whose namespaces are the host's, its private folders, its daemons and its pools.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::cgroup::{self, Limits};
use crate::config;
use crate::network;
use crate::process::{Process, wait_until};
use crate::run::{tool, which};
use crate::state::{Host, Lab};

/// What a host's tools run in: mounts, hostname, network and pids of its own.
const ALL: [&str; 5] = ["-m", "-u", "-n", "-p", "-r"];

/// Binds pairs of folders or files.
const BIND_PAIRS: &str = r#"while [ $# -gt 0 ]; do mount --bind "$1" "$2"; shift 2; done"#;

/// Files of lxcfs that show a control group's own figures.
const OWN_PROC: [&str; 4] = ["stat", "meminfo", "cpuinfo", "loadavg"];

/// Which of a host's parts run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Running {
    pub init: bool,
    pub libvirtd: bool,
    pub sshd: bool,
}

impl Running {
    pub(crate) fn all(self) -> bool {
        self.init && self.libvirtd && self.sshd
    }
}

/// Who may enter the folder of the unix socket, besides root.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Access {
    /// The user on whose behalf the lab is made (`sudo`'s caller).
    pub user: Option<u32>,
    /// The machine's group `libvirt`, if it has one.
    pub group: Option<u32>,
}

impl Access {
    pub(crate) fn of_this_machine() -> Self {
        let user = std::env::var("SUDO_UID")
            .ok()
            .and_then(|text| text.parse().ok());
        let group = nix::unistd::Group::from_name("libvirt")
            .ok()
            .flatten()
            .map(|group| group.gid.as_raw());
        Self { user, group }
    }
}

/// Writes a host's files: configuration anew each time, what libvirt keeps itself stays.
pub(crate) fn write_files(lab: &Lab, host: &Host, access: Access) -> anyhow::Result<()> {
    let folder = lab.host_folder(host);
    for part in [
        "etc",
        "lib/images",
        "lib/shared",
        "log",
        "cache",
        "run",
        "ssh",
    ] {
        fs::create_dir_all(folder.join(part))?;
    }
    fs::write(folder.join("etc/libvirtd.conf"), config::libvirtd(host))?;
    fs::write(folder.join("etc/qemu.conf"), config::qemu(host))?;
    fs::write(folder.join("hosts"), config::hosts_file(lab))?;
    fs::write(folder.join("resolv.conf"), "")?;
    // sshd refuses a root whose password is locked with '!', as some machines have it.
    fs::write(folder.join("shadow"), "root:*:19000:0:99999:7:::\n")?;
    fs::set_permissions(folder.join("shadow"), fs::Permissions::from_mode(0o600))?;
    let run = folder.join("run");
    chown(&run, access.user, access.group)?;
    fs::set_permissions(&run, fs::Permissions::from_mode(0o710))?;
    Ok(())
}

/// Starts what is not running of a host: its namespaces, then its daemons, then its pools.
pub(crate) fn start(lab: &mut Lab, index: usize, offered_cpus: usize) -> anyhow::Result<()> {
    let host = lab.hosts[index].clone();
    let group = format!("{}/{}", lab.name.group(), host.name);
    let limits = Limits {
        cores: host.cores,
        cpus: cpus_of(host.number, host.cores, offered_cpus),
        memory: host.memory_mib << 20,
    };
    let groups = cgroup::make(&group, &limits).unwrap_or_else(|error| {
        lab.lacks(format!(
            "hosts' cores and memory are not bounded: {error:#}"
        ));
        Vec::new()
    });
    lab.bounded = !groups.is_empty();
    let running = running(&host);
    let init = match host.init.filter(|_| running.init) {
        Some(init) => init,
        None => {
            let switch = lab.switch.context("the lab has no switch")?;
            // What was interrupted before it was a host of its own.
            host.init.iter().for_each(Process::kill);
            let init = hold(lab, &host.name, &["-u"], Some(switch), &groups)?;
            lab.hosts[index].init = Some(init);
            lab.hosts[index].furnished = false;
            lab.save()?;
            if lab.own_proc && !sees_lxcfs(lab, init) {
                lab.own_proc = false;
                lab.lacks(
                    "hosts see the machine's CPU and memory as theirs: lxcfs does not answer them"
                        .to_owned(),
                );
            }
            furnish(lab, &host, init)?;
            network::wire_host(switch, &host, init, &lab.guests.bridge)?;
            lab.hosts[index].furnished = true;
            lab.save()?;
            init
        }
    };
    if !running.init || !running.libvirtd {
        start_libvirtd(lab, &host, init, &groups)?;
    }
    if !running.init || !running.sshd {
        let sshd = which("sshd").context("sshd is not installed (package openssh-server)")?;
        tool([
            &*sshd,
            "-f",
            "/etc/ssh/sshd_config",
            "-E",
            "/var/log/libvirt/sshd.log",
        ])
        .inside(init.pid, &ALL)
        .in_groups(&groups)
        .run()?;
    }
    make_pools(lab, &host)
}

/// Starts a process that does nothing but hold namespaces: mounts, network and pids of its own, and what `more` flags of
/// unshare name. It ignores its children's deaths, so that as pid 1 it leaves no zombie: libvirt would take one for a
/// QEMU that will not end. A host is held `within` the switch: whatever ends the switch ends all of the lab, and the
/// lab's lxcfs, which lives there too, can tell one host's processes from another's.
pub(crate) fn hold(
    lab: &Lab,
    what: &str,
    more: &[&str],
    within: Option<Process>,
    groups: &[String],
) -> anyhow::Result<Process> {
    let log = fs::File::create(lab.folder.join(format!("{what}.log")))?;
    let mut words = vec![
        "unshare",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "-m",
        "-n",
        "-p",
    ];
    words.extend(more);
    words.extend(["--", "env", "--ignore-signal=CHLD", "sleep", "infinity"]);
    let mut holder = tool(words);
    if let Some(switch) = within {
        holder = holder.inside(switch.pid, &["-m", "-p", "-r"]);
    }
    let pid = holder.in_groups(groups).spawn(log, &lab.marker())?;
    // It is the last of a chain (nsenter, unshare, itself), and once it sleeps, its namespaces are as they will be.
    let mut last = None;
    wait_until(Duration::from_secs(10), || {
        last = Process::of(pid).map(Process::last_descendant);
        let name =
            last.and_then(|last| fs::read_to_string(format!("/proc/{}/comm", last.pid)).ok());
        name.as_deref() == Some("sleep\n") || last.is_none()
    });
    last.with_context(|| {
        format!(
            "{what} did not start; see {what}.log in {}",
            lab.folder.display()
        )
    })
}

/// Whether a host gets figures from the lab's lxcfs. Asked inside, because lxcfs answers by who asks.
fn sees_lxcfs(lab: &Lab, init: Process) -> bool {
    let files = OWN_PROC.map(|file| {
        lab.folder
            .join("lxcfs/proc")
            .join(file)
            .to_string_lossy()
            .into_owned()
    });
    let words = [vec!["cat".to_owned()], files.to_vec()].concat();
    tool(words).inside(init.pid, &ALL).succeeds()
}

/// Shows a running host the machine's figures in place of an lxcfs that has ended, which would answer nothing.
pub(crate) fn show_machine(host: &Host) -> anyhow::Result<()> {
    let Some(init) = host.init.filter(Process::alive) else {
        return Ok(());
    };
    let files = OWN_PROC.map(|file| format!("/proc/{file}"));
    let words = [
        vec!["umount".to_owned(), "--lazy".to_owned()],
        files.to_vec(),
    ]
    .concat();
    tool(words).inside(init.pid, &ALL).run().map(drop)
}

/// Gives a new host its hostname and its private folders in place of the machine's.
fn furnish(lab: &Lab, host: &Host, init: Process) -> anyhow::Result<()> {
    let folder = lab.host_folder(host);
    let inside = |words: &[&str]| tool(words.iter()).inside(init.pid, &ALL).run();
    inside(&["hostname", &host.name])?;
    // The host's own /sys shows its own interfaces, and hides the machine's control groups.
    inside(&["mount", "-t", "sysfs", "sysfs", "/sys"])?;
    let resolver = fs::canonicalize("/etc/resolv.conf")
        .ok()
        .filter(|path| !path.starts_with("/run"));
    // An empty /run also keeps libvirtd from the machine's systemd, which would take VMs out of the host's groups.
    inside(&[
        "mount",
        "-t",
        "tmpfs",
        "-o",
        "size=64m,mode=755",
        "tmpfs",
        "/run",
    ])?;
    inside(&["mkdir", "/run/libvirt", "/run/sshd", "/run/lock"])?;

    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut bind =
        |from: &Path, to: &str| pairs.push((from.to_string_lossy().into_owned(), to.to_owned()));
    for (own, there) in [
        ("etc", "/etc/libvirt"),
        ("lib", "/var/lib/libvirt"),
        ("log", "/var/log/libvirt"),
        ("cache", "/var/cache/libvirt"),
        ("run", "/run/libvirt"),
        ("ssh", "/etc/ssh"),
        ("hosts", "/etc/hosts"),
        ("shadow", "/etc/shadow"),
    ] {
        bind(&folder.join(own), there);
    }
    if let Some(resolver) = resolver {
        bind(&folder.join("resolv.conf"), &resolver.to_string_lossy());
    }
    bind(&lab.shared_pool(), config::SHARED_POOL);
    let hide_kvm = !lab.kvm && fs::exists("/dev/kvm")?;
    if hide_kvm {
        // So that libvirt offers what really works here.
        let nothing = lab.folder.join("no-kvm");
        fs::write(&nothing, "")?;
        bind(&nothing, "/dev/kvm");
    }
    if lab.own_proc {
        for file in OWN_PROC {
            bind(
                &lab.folder.join("lxcfs/proc").join(file),
                &format!("/proc/{file}"),
            );
        }
    }
    let mut words: Vec<String> = ["sh", "-euc", BIND_PAIRS, "sh"].map(String::from).to_vec();
    words.extend(pairs.into_iter().flat_map(|(from, to)| [from, to]));
    tool(words).inside(init.pid, &ALL).run()?;
    if hide_kvm {
        // Not writable even by root, or libvirt takes it for a KVM that has just come up and asks QEMU anew what it can
        // do, whenever a VM is defined, started or received: seconds each time.
        inside(&["mount", "-o", "remount,bind,ro", "/dev/kvm"])?;
    }
    Ok(())
}

fn start_libvirtd(lab: &Lab, host: &Host, init: Process, groups: &[String]) -> anyhow::Result<()> {
    let folder = lab.host_folder(host);
    for left in ["run/libvirtd.pid", "run/libvirt-sock"] {
        let _ = fs::remove_file(folder.join(left));
    }
    tool([
        "libvirtd",
        "--daemon",
        "--listen",
        "--pid-file",
        "/run/libvirt/libvirtd.pid",
        "--config",
        "/etc/libvirt/libvirtd.conf",
    ])
    .inside(init.pid, &ALL)
    .in_groups(groups)
    .run()?;
    let socket = folder.join("run/libvirt-sock");
    if !wait_until(Duration::from_secs(30), || socket.exists()) {
        let log = fs::read_to_string(folder.join("log/libvirtd.log")).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(5).collect();
        bail!(
            "libvirtd of {} did not open its socket within 30 s; its log ends: {}",
            host.name,
            last.join(" | ")
        );
    }
    Ok(())
}

/// Defines, starts and marks for autostart what is missing of the two pools.
fn make_pools(lab: &Lab, host: &Host) -> anyhow::Result<()> {
    let virsh = |words: &[&str]| {
        let mut all = vec!["virsh", "--quiet", "--connect", &host.uris.local];
        all.extend(words);
        tool(all).run()
    };
    let names = |listed: String| {
        listed
            .split_whitespace()
            .map(String::from)
            .collect::<Vec<_>>()
    };
    let defined = names(virsh(&["pool-list", "--all", "--name"])?);
    let active = names(virsh(&["pool-list", "--name"])?);
    for pool in &lab.pools {
        if !defined.contains(&pool.name) {
            virsh(&["pool-define-as", &pool.name, "dir", "--target", &pool.path])?;
            virsh(&["pool-autostart", &pool.name])?;
        }
        if !active.contains(&pool.name) {
            virsh(&["pool-start", &pool.name])?;
        }
    }
    Ok(())
}

/// Looks at what runs of a host.
pub(crate) fn running(host: &Host) -> Running {
    let Some(init) = host.init.filter(|init| host.furnished && init.alive()) else {
        return Running {
            init: false,
            libvirtd: false,
            sshd: false,
        };
    };
    // Pid files hold pids as the host counts, and this is the host's /proc.
    let root = format!("/proc/{}/root", init.pid);
    let alive = |program: &str, pid_file: &str| {
        let pid = fs::read_to_string(format!("{root}{pid_file}")).unwrap_or_default();
        let name =
            fs::read_to_string(format!("{root}/proc/{}/comm", pid.trim())).unwrap_or_default();
        !pid.trim().is_empty() && name.trim() == program
    };
    Running {
        init: true,
        libvirtd: alive("libvirtd", "/run/libvirt/libvirtd.pid"),
        sshd: alive("sshd", "/run/sshd.pid"),
    }
}

/// Which of the machine's cores a host gets: as many as it has cores (rounded up), the next host the next ones.
fn cpus_of(number: u8, cores: f64, machine: usize) -> String {
    let count = (cores.ceil() as usize).clamp(1, machine.max(1));
    let first = (usize::from(number) - 1) * count;
    let mut cpus: Vec<usize> = (first..first + count)
        .map(|cpu| cpu % machine.max(1))
        .collect();
    cpus.sort_unstable();
    cpus.iter()
        .map(usize::to_string)
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_take_turns_on_the_machines_cores() {
        assert_eq!(cpus_of(1, 1.0, 2), "0");
        assert_eq!(cpus_of(2, 0.5, 2), "1");
        assert_eq!(cpus_of(3, 1.0, 2), "0");
        assert_eq!(cpus_of(2, 3.0, 4), "0,1,3");
        assert_eq!(cpus_of(1, 8.0, 2), "0,1");
    }
}
