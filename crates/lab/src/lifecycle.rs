//! Making, repairing and removing a lab.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use nix::fcntl::{Flock, FlockArg};

use crate::accelerator;
use crate::cgroup;
use crate::host::{self, Access};
use crate::keys;
use crate::names::LabName;
use crate::network;
use crate::plan::{Options, check_options, machine_cores, plan};
use crate::process::{self, Process, wait_until};
use crate::run::{tool, which};
use crate::state::{DEFAULT_STATE, Lab};

/// First libvirt that migrates disks in a folder it is told is shared (`shared_filesystems` in qemu.conf).
const LIBVIRT_MIN: (u64, u64) = (10, 9);

/// Marks a folder as a lab's, from its first moment on: nothing else is ever removed.
const SENTINEL: &str = ".bellwether-lab";

/// Brings the lab up: makes it, or starts what does not run of it, with the disks and definitions it had. One that was
/// left half made is removed and made anew.
///
/// # Errors
/// Not root, a program missing, a lab of this name and another shape is there, the folder is somebody else's, or
/// something refused; the message says which.
pub fn up(options: &Options) -> anyhow::Result<Lab> {
    check_machine()?;
    check_options(options)?;
    let folder = Lab::folder_of(&options.base, &options.name)?;
    let _lock = lock(&options.base)?;
    check_folder(&options.base, &options.name)?;
    let unusable = match Lab::load(&options.base, &options.name) {
        Ok(Some(lab)) if lab.complete => {
            options.check_same(&lab)?;
            return repair(lab);
        }
        Ok(Some(_)) => Some("it was left half made".to_owned()),
        Ok(None) => None,
        Err(error) => Some(format!("{error:#}")),
    };
    if let Some(why) = unusable {
        eprintln!("lab {} is removed and made anew: {why}", options.name);
    }
    remove(&options.base, &options.name)?;
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(folder.join(SENTINEL), "")?;
    make(options, folder).inspect_err(|_| {
        // The reason is worth more than a second one from cleaning up; `down` or the next `up` cleans up as well.
        let _ = remove(&options.base, &options.name);
    })
}

/// Removes the lab and everything in it, guests included. A lab that is not there is no error.
///
/// # Errors
/// Not root, or something could not be removed.
pub fn down(base: &Path, name: &LabName) -> anyhow::Result<()> {
    check_root()?;
    Lab::folder_of(base, name)?;
    if !base.exists() {
        return Ok(());
    }
    {
        let _lock = lock(base)?;
        remove(base, name)?;
    }
    if base == Path::new(DEFAULT_STATE) {
        // Stays as long as another lab is in it.
        let _ = fs::remove_dir(base);
    }
    Ok(())
}

fn make(options: &Options, folder: PathBuf) -> anyhow::Result<Lab> {
    let scratch = folder.clone();
    let tcg = options.tcg;
    let probe = std::thread::spawn(move || !tcg && accelerator::kvm_runs_guests(&scratch));
    let mut lab = plan(options, folder)?;
    lab.save()?;
    fs::create_dir_all(lab.shared_pool())?;
    keys::make_certificates(&lab)?;
    keys::make_ssh(&lab)?;
    for host in &lab.hosts {
        host::write_files(&lab, host, Access::of_this_machine())?;
    }
    power_on(&mut lab, || probe.join().unwrap_or(false))?;
    lab.complete = true;
    lab.save()?;
    Ok(lab)
}

/// Starts what does not run of a lab that was whole once.
fn repair(mut lab: Lab) -> anyhow::Result<Lab> {
    if !lab.switch.is_some_and(|switch| switch.alive()) {
        // After a restart of the machine, say. Disks and definitions are there, as after a power failure.
        let kvm = lab.kvm;
        power_on(&mut lab, || kvm)?;
        lab.save()?;
        return Ok(lab);
    }
    if lab.own_proc && !lab.lxcfs.is_some_and(|lxcfs| lxcfs.alive()) {
        // What hosts see through it can only be mended by starting them anew, with their guests.
        lab.own_proc = false;
        lab.lacks("hosts see the machine's CPU and memory as theirs: lxcfs has ended; `down` and `up` start it anew".to_owned());
        lab.hosts.iter().try_for_each(host::show_machine)?;
        lab.save()?;
    }
    start_hosts(&mut lab)?;
    Ok(lab)
}

/// Starts everything of a lab of which nothing runs; `kvm` tells whether guests run under KVM.
fn power_on(lab: &mut Lab, kvm: impl FnOnce() -> bool) -> anyhow::Result<()> {
    let switch = host::hold(lab, "switch", &[], None, &[])?;
    lab.switch = Some(switch);
    lab.save()?;
    start_lxcfs(lab, switch)?;
    network::make_switch(lab, switch)?;
    lab.kvm = kvm();
    start_hosts(lab)
}

fn start_hosts(lab: &mut Lab) -> anyhow::Result<()> {
    let cpus = machine_cores();
    (0..lab.hosts.len()).try_for_each(|index| host::start(lab, index, cpus))
}

/// A private lxcfs, mounted where only the lab sees it. Where it cannot run, hosts see the machine's CPU and memory, and the lab says so.
fn start_lxcfs(lab: &mut Lab, switch: Process) -> anyhow::Result<()> {
    let mount = lab.folder.join("lxcfs");
    fs::create_dir_all(&mount)?;
    if which("lxcfs").is_none() || !Path::new("/dev/fuse").exists() {
        lab.lacks(
            "hosts see the machine's CPU and memory as theirs: there is no lxcfs or no /dev/fuse"
                .to_owned(),
        );
        return Ok(());
    }
    let log = fs::File::create(lab.folder.join("lxcfs.log"))?;
    let pid_file = lab.folder.join("lxcfs.pid");
    let pid = tool([
        "lxcfs",
        "-f",
        "-l",
        "-p",
        &pid_file.to_string_lossy(),
        &mount.to_string_lossy(),
    ])
    .inside(switch.pid, &["-m", "-p", "-r"])
    .spawn(log, &lab.marker())?;
    lab.lxcfs = Process::of(pid);
    lab.save()?;
    let seen = format!("/proc/{}/root{}/proc", switch.pid, mount.display());
    let listed = || fs::read_dir(&seen).is_ok_and(|mut entries| entries.next().is_some());
    lab.own_proc = wait_until(Duration::from_secs(5), listed);
    if !lab.own_proc {
        lab.lacks("hosts see the machine's CPU and memory as theirs: lxcfs does not start (see lxcfs.log)".to_owned());
    }
    Ok(())
}

/// Refuses a folder that something else than a lab is in.
fn check_folder(base: &Path, name: &LabName) -> anyhow::Result<()> {
    let folder = Lab::folder_of(base, name)?;
    let empty = match fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        read => read
            .with_context(|| format!("cannot read {}", folder.display()))?
            .next()
            .is_none(),
    };
    if !empty && !folder.join(SENTINEL).is_file() {
        bail!(
            "{} holds something that is not a lab, and is left as it is; choose another --name or --state",
            folder.display()
        );
    }
    Ok(())
}

/// Removes whatever there is of a lab, going by its name and folder alone: a lab that died half way has recorded less
/// than it made.
fn remove(base: &Path, name: &LabName) -> anyhow::Result<()> {
    check_folder(base, name)?;
    let folder = Lab::folder_of(base, name)?;
    // A process that is ending has let go of its environment, and with it of the lab's mark, while it still holds its
    // namespaces: so each that ever carried the mark, or that the record names, must be seen to have ended.
    let marker = folder.to_string_lossy();
    let mut seen: Vec<Process> = Lab::load(base, name)
        .ok()
        .flatten()
        .map(|lab| lab.processes())
        .unwrap_or_default();
    if !wait_until(Duration::from_secs(20), || {
        let marked = process::marked(&marker);
        marked.iter().for_each(Process::kill);
        seen.extend(marked);
        seen.retain(Process::alive);
        seen.is_empty()
    }) {
        bail!(
            "processes of lab {name} do not end: {:?}",
            seen.iter().map(|process| process.pid).collect::<Vec<_>>()
        );
    }
    for interface in [name.interface('g'), name.interface('m')] {
        let path = format!("/sys/class/net/{interface}");
        // Gone with the switch's namespace, a moment after its last process.
        if !wait_until(Duration::from_secs(5), || !Path::new(&path).exists())
            && network::is_ours(&interface, name)
        {
            tool(["ip", "link", "delete", &interface]).run()?;
        }
    }
    // The lab has mounted nothing here; somebody else may have, and it is not ours to delete.
    unmount_below(&folder)?;
    cgroup::remove(&name.group())?;
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Unmounts everything mounted below a folder, innermost first.
fn unmount_below(folder: &Path) -> anyhow::Result<()> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let mut points: Vec<&str> = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .filter(|point| Path::new(point).starts_with(folder))
        .collect();
    points.reverse();
    points
        .into_iter()
        .try_for_each(|point| tool(["umount", "--lazy", point]).run().map(drop))
}

/// One `up` or `down` at a time below a folder; the lock is the folder itself, so it leaves nothing behind.
fn lock(base: &Path) -> anyhow::Result<Flock<fs::File>> {
    for _ in 0..100 {
        fs::create_dir_all(base).with_context(|| format!("cannot make {}", base.display()))?;
        let file = fs::File::open(base)?;
        let lock = Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, error)| error)
            .context("cannot lock the state folder")?;
        // Another `down` may have removed the folder while this one waited for it.
        use std::os::unix::fs::MetadataExt;
        if fs::metadata(base)
            .is_ok_and(|now| lock.metadata().is_ok_and(|held| held.ino() == now.ino()))
        {
            return Ok(lock);
        }
    }
    bail!("the state folder {} keeps vanishing", base.display())
}

/// Programs a lab runs, and the Debian package of each.
const NEEDED: [(&str, &str); 9] = [
    ("libvirtd", "libvirt-daemon"),
    ("virsh", "libvirt-clients"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("qemu-img", "qemu-utils"),
    ("ip", "iproute2"),
    ("tc", "iproute2"),
    ("sshd", "openssh-server"),
    ("ssh-keygen", "openssh-client"),
    ("nsenter", "util-linux"),
];

fn check_machine() -> anyhow::Result<()> {
    check_root()?;
    let missing: Vec<String> = NEEDED
        .iter()
        .filter(|(program, _)| which(program).is_none())
        .map(|(program, package)| format!("{program} (package {package})"))
        .collect();
    if !missing.is_empty() {
        bail!(
            "not installed: {}; `scripts/setup lab` installs what a lab needs",
            missing.join(", ")
        );
    }
    let said = tool(["libvirtd", "--version"]).run()?;
    if version(&said).is_some_and(|version| version < LIBVIRT_MIN) {
        let (major, minor) = LIBVIRT_MIN;
        bail!(
            "{}: it refuses to move VMs between hosts of a lab; libvirt {major}.{minor} or newer does, and `scripts/setup lab` installs it",
            said.trim()
        );
    }
    Ok(())
}

/// Major and minor version in `libvirtd (libvirt) 11.3.0`.
fn version(said: &str) -> Option<(u64, u64)> {
    let mut parts = said.split_whitespace().last()?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

pub(crate) fn check_root() -> anyhow::Result<()> {
    if !nix::unistd::Uid::effective().is_root() {
        bail!("a lab needs root: it makes namespaces, mounts and control groups. Run it with sudo");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_no_labs_is_neither_used_nor_removed() {
        let base = tempfile::tempdir().unwrap();
        let name: LabName = "alice".parse().unwrap();
        let folder = base.path().join("alice");
        assert!(check_folder(base.path(), &name).is_ok());
        fs::create_dir(&folder).unwrap();
        assert!(check_folder(base.path(), &name).is_ok(), "an empty one");
        fs::write(folder.join("lab.json"), "{}").unwrap();
        let refused = remove(base.path(), &name).unwrap_err().to_string();
        assert!(refused.contains("not a lab"), "{refused}");
        assert!(folder.join("lab.json").exists());
        fs::write(folder.join(SENTINEL), "").unwrap();
        assert!(check_folder(base.path(), &name).is_ok());
    }

    #[test]
    fn an_older_libvirt_is_recognised() {
        assert!(version("libvirtd (libvirt) 9.0.0\n") < Some(LIBVIRT_MIN));
        assert!(version("libvirtd (libvirt) 10.10.0") > Some(LIBVIRT_MIN));
        assert_eq!(version("something else"), None);
    }
}
