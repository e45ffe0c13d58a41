//! Labs as a whole: beside each other, repaired, gone.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::support::{self, TestLab, eventually, inside, run, virsh};
use crate::traces::Traces;

/// What a process is granted: the first word of a file of its control group, of version 1 or 2.
fn granted(pid: i32, controller: &str, file: &str, unified_file: &str) -> String {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let names = |list: &str| list.split(',').any(|name| name == controller);
    let group = groups
        .lines()
        .map(|line| line.splitn(3, ':').collect::<Vec<_>>())
        .filter(|group| names(group[1]) || group[1].is_empty())
        .max_by_key(|group| group[1].len())
        .unwrap();
    let (kind, file) = match group[1] {
        "" => ("cgroup2", unified_file),
        _ => ("cgroup", file),
    };
    let mount = mounts.lines().find_map(|line| {
        let (place, what) = line.split_once(" - ")?;
        let mut what = what.split_whitespace();
        let right = what.next()? == kind && (kind == "cgroup2" || names(what.nth(1)?));
        right.then(|| place.split_whitespace().nth(4)).flatten()
    });
    let file = format!("{}{}/{file}", mount.unwrap(), group[2]);
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    text.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn labs_live_side_by_side_are_repaired_and_leave_nothing() {
    if !support::wanted() {
        return;
    }
    let one = TestLab::up("a", 2);
    let other = TestLab::up("b", 1);
    assert_ne!(one.lab.guests.cidr, other.lab.guests.cidr);
    assert_ne!(one.lab.management.cidr, other.lab.management.cidr);

    // The same again changes nothing.
    let before = virsh(&one.lab.hosts[0], &["capabilities"]).unwrap();
    assert_eq!(bellwether_lab::up(&one.options).unwrap(), one.lab);
    assert_eq!(virsh(&one.lab.hosts[0], &["capabilities"]).unwrap(), before);

    // Every way to every host, from the machine and from the other host.
    let status = bellwether_lab::status(one.lab.clone());
    assert!(status.running, "{:?}", status.live);
    for host in &one.lab.hosts {
        for uri in [
            &host.uris.local,
            &host.uris.tcp,
            &host.uris.tls,
            &host.uris.ssh,
        ] {
            assert_eq!(
                run(&["virsh", "--connect", uri, "hostname"]).unwrap(),
                host.name,
                "{uri}"
            );
        }
        let peer = one
            .lab
            .hosts
            .iter()
            .find(|peer| peer.name != host.name)
            .unwrap();
        for uri in [&peer.uris.tcp, &peer.uris.tls, &peer.uris.ssh] {
            assert_eq!(
                inside(host.init.unwrap(), &["virsh", "--connect", uri, "hostname"]).unwrap(),
                peer.name,
                "{uri} from {}",
                host.name
            );
        }
        let pools = virsh(host, &["pool-list", "--autostart", "--name"]).unwrap();
        assert_eq!(
            pools.split_whitespace().collect::<Vec<_>>(),
            ["local", "shared"]
        );
        // Its cores and memory are its own by what the kernel grants it, whatever it sees.
        assert!(one.lab.bounded || std::env::var_os("CI").is_none());
        if one.lab.bounded {
            let init = host.init.unwrap().pid;
            let quota = granted(init, "cpu", "cpu.cfs_quota_us", "cpu.max");
            assert_eq!(quota, ((host.cores * 100_000.0) as u64).to_string());
            let memory = granted(init, "memory", "memory.limit_in_bytes", "memory.max");
            assert_eq!(memory, (host.memory_mib << 20).to_string());
        }
        if one.lab.own_proc {
            let memory = virsh(host, &["nodememstats"]).unwrap();
            assert!(
                memory.contains(&format!("{} KiB", host.memory_mib * 1024)),
                "{memory}"
            );
        }
    }
    for secret in [
        "tls/clientkey.pem",
        "ssh/id_ed25519",
        "hosts/host1/etc/tls/serverkey.pem",
        "hosts/host1/ssh/host_key",
    ] {
        let mode = fs::metadata(one.lab.folder.join(secret)).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o600, "{secret}");
    }
    // What is written in one host's shared pool is there in the other's; the local pools are apart.
    virsh(
        &one.lab.hosts[0],
        &["vol-create-as", "shared", "marker", "1M"],
    )
    .unwrap();
    virsh(
        &one.lab.hosts[0],
        &["vol-create-as", "local", "marker", "1M"],
    )
    .unwrap();
    for pool in ["shared", "local"] {
        virsh(&one.lab.hosts[1], &["pool-refresh", pool]).unwrap();
    }
    assert!(
        virsh(
            &one.lab.hosts[1],
            &["vol-info", "--pool", "shared", "marker"]
        )
        .is_ok()
    );
    assert!(
        virsh(
            &one.lab.hosts[1],
            &["vol-info", "--pool", "local", "marker"]
        )
        .is_err()
    );

    // A host that lost its power comes back as it was, with what libvirt knew.
    one.lab.power_off("host2").unwrap();
    assert!(!bellwether_lab::status(one.lab.clone()).running);
    let again = bellwether_lab::up(&one.options).unwrap();
    assert_eq!(
        run(&["virsh", "--connect", &again.hosts[1].uris.tcp, "hostname"]).unwrap(),
        "host2"
    );
    assert_eq!(
        again.hosts[0], one.lab.hosts[0],
        "the other host was left alone"
    );

    // So does a host whose start was cut short before it had files of its own.
    let record = one.lab.folder.join("lab.json");
    let cut_short = fs::read_to_string(&record)
        .unwrap()
        .replace("\"furnished\": true", "\"furnished\": false");
    fs::write(&record, cut_short).unwrap();
    let started = bellwether_lab::up(&one.options).unwrap();
    assert!(!again.hosts[0].init.unwrap().alive());
    assert_eq!(
        run(&["virsh", "--connect", &started.hosts[0].uris.tcp, "hostname"]).unwrap(),
        "host1"
    );
    let again = started;

    // Without its lxcfs a lab goes on, and says what it lacks.
    if let Some(lxcfs) = again.lxcfs.filter(|_| again.own_proc) {
        lxcfs.kill();
        let without = bellwether_lab::up(&one.options).unwrap();
        assert_eq!(without.hosts, again.hosts, "no host was touched");
        assert!(without.lacking.iter().any(|what| what.contains("lxcfs")));
        assert!(virsh(&without.hosts[0], &["nodecpustats"]).is_ok());
    }

    // A lab that lost its power as a whole comes back with its disks and definitions.
    let switch = other.lab.switch.unwrap();
    switch.kill();
    eventually("its power is gone", || !switch.alive());
    let powered = bellwether_lab::up(&other.options).unwrap();
    assert!(bellwether_lab::status(powered.clone()).running);
    assert_eq!(powered.hosts[0].uuid, other.lab.hosts[0].uuid);

    // A lab whose making was cut short is made anew.
    let traces = Traces::of(&again);
    let cut_short = fs::read_to_string(&record)
        .unwrap()
        .replace("\"complete\": true", "\"complete\": false");
    fs::write(&record, cut_short).unwrap();
    let made_anew = bellwether_lab::up(&one.options).unwrap();
    assert!(
        traces.processes.iter().all(|process| !process.alive()),
        "nothing of the half-made one runs on"
    );
    assert!(bellwether_lab::status(made_anew.clone()).running);

    // Another number of hosts is refused rather than half done.
    let mut three = one.options.clone();
    three.hosts = 3;
    assert!(
        bellwether_lab::up(&three)
            .unwrap_err()
            .to_string()
            .contains("2 hosts, not 3")
    );

    let traces = [Traces::of(&made_anew), Traces::of(&powered)];
    one.down().unwrap();
    assert_eq!(traces[0].left(), Vec::<String>::new());
    assert!(
        bellwether_lab::status(powered.clone()).running,
        "the other lab is not touched"
    );
    one.down().unwrap();
    other.down().unwrap();
    assert_eq!(traces[1].left(), Vec::<String>::new());

    // Even with its record lost: it is found by its name. And one process holds all of it.
    let lost = bellwether_lab::up(&other.options).unwrap();
    let traces = Traces::of(&lost);
    fs::remove_file(lost.folder.join("lab.json")).unwrap();
    lost.switch.unwrap().kill();
    eventually("the lab dies with its first process", || {
        traces.processes.iter().all(|process| !process.alive())
    });
    other.down().unwrap();
    assert_eq!(traces.left(), Vec::<String>::new());
}
