//! Guests of a lab: they boot, move, obey, and are cut off.

use std::fs;
use std::time::Instant;

use bellwether_lab::Kernel;

use crate::support::{self, Echoes, Guest, TestLab, eventually, output, run, upload_image, virsh};
use crate::traces::Traces;

#[test]
fn a_guest_boots_moves_under_an_open_connection_and_shuts_down() {
    if !support::wanted() {
        return;
    }
    let test = TestLab::up("g", 2);
    let lab = &test.lab;
    let [one, two] = [&lab.hosts[0], &lab.hosts[1]];
    upload_image(one, Kernel::Cloud);
    virsh(two, &["pool-refresh", "shared"]).unwrap();
    let key = fs::read_to_string(lab.ssh.join("id_ed25519.pub")).unwrap();
    let guest = Guest {
        name: "wanderer",
        address: lab.guests.first,
        mac: "52:54:00:be:11:01",
        bare: false,
    };
    guest.start(
        lab,
        one,
        &format!("#cloud-config\nusers:\n  - name: ann\n    ssh_authorized_keys:\n      - {key}"),
    );
    guest.wait_for_echo(one);
    eventually("the guest names itself", || {
        guest.console(one).contains("ready host=wanderer")
    });

    // A key from the seed lets in.
    let known = lab.folder.join("guest_known_hosts");
    eventually("ssh into the guest", || {
        let login = format!("ann@{}", guest.address);
        let key = lab.ssh.join("id_ed25519");
        let hosts = format!("UserKnownHostsFile={}", known.display());
        let words = [
            "ssh",
            "-F",
            "none",
            "-i",
            key.to_str().unwrap(),
            "-o",
            "BatchMode=yes",
            "-o",
            "StrictHostKeyChecking=accept-new",
            "-o",
            &hosts,
            &login,
            "hostname",
        ];
        run(&words).is_ok_and(|name| name == "wanderer")
    });

    // The balloon tells what the guest has.
    eventually("balloon statistics", || {
        virsh(one, &["dommemstat", "wanderer"])
            .is_ok_and(|stats| stats.contains("usable") && stats.contains("available"))
    });

    // Load at run time.
    assert!(
        guest
            .command("dirty 20 16")
            .starts_with("ok dirty=20MiB/s working-set=16MiB")
    );
    assert!(guest.command("cpu 10").starts_with("ok "));
    assert!(guest.command("stop").contains("dirty=0MiB/s"));

    // There, back and there again, over each transport, under one open connection.
    let echoes = Echoes::start(&guest);
    let mut here = [one, two];
    for transport in ["tcp", "tls", "ssh"] {
        let [from, to] = here;
        let uri = match transport {
            "tcp" => &to.uris.tcp,
            "tls" => &to.uris.tls,
            _ => &to.uris.ssh,
        };
        let mut words = vec![
            "migrate",
            "--live",
            "--p2p",
            "--persistent",
            "--undefinesource",
            "wanderer",
            uri,
        ];
        if transport == "tls" {
            words.push("--tls");
        }
        virsh(from, &words).unwrap_or_else(|error| panic!("over {transport}: {error}"));
        assert_eq!(virsh(to, &["domstate", "wanderer"]).unwrap(), "running");
        assert!(
            virsh(from, &["domstate", "wanderer"]).is_err(),
            "it is on one host only"
        );
        here.reverse();
    }
    let (count, longest) = echoes.finish().unwrap();
    println!("{count} echoes through three migrations, longest wait {longest:?}");
    assert!(count > 10);
    let [host, away] = here;
    assert_eq!(host.name, "host2");

    // Cut off: silence; healed: the same guest goes on.
    lab.cut(&host.name).unwrap();
    assert!(guest.connect(7).is_err());
    assert!(
        output(&[
            "timeout",
            "3",
            "virsh",
            "--connect",
            &host.uris.tcp,
            "hostname"
        ])
        .status
        .code()
            != Some(0)
    );
    assert!(!bellwether_lab::status(lab.clone()).live[1].connected);
    lab.heal(&host.name).unwrap();
    eventually("the guest answers again", || guest.connect(7).is_ok());
    eventually("the host answers again", || {
        run(&["virsh", "--connect", &host.uris.tcp, "hostname"]).is_ok()
    });

    // A slow link is slow: 4 MB in each direction's rate, however long that takes.
    let rate = |mbit| {
        lab.rate(&away.name, mbit).unwrap();
        let begin = Instant::now();
        let login = format!("root@{}", away.address);
        let sent = output(&[
            lab.ssh.join("ssh").to_str().unwrap(),
            &login,
            "head",
            "-c",
            "4000000",
            "/dev/zero",
        ]);
        assert_eq!(sent.stdout.len(), 4_000_000);
        32.0 / begin.elapsed().as_secs_f64()
    };
    let slow = rate(Some(16));
    assert!(
        slow < 16.0 * 1.2,
        "a link limited to 16 Mbit/s carried {slow:.1}"
    );
    assert_eq!(
        bellwether_lab::status(lab.clone()).live[0].rate_mbit,
        Some(16)
    );
    lab.rate(&away.name, None).unwrap();
    assert_eq!(bellwether_lab::status(lab.clone()).live[0].rate_mbit, None);

    // The power button; and its disk has kept what was written.
    virsh(host, &["shutdown", "wanderer"]).unwrap();
    eventually("the guest shuts down", || {
        virsh(host, &["domstate", "wanderer"]).is_ok_and(|state| state == "shut off")
    });
    virsh(host, &["start", "wanderer"]).unwrap();
    eventually("the second start is counted", || {
        guest.console(host).contains("boots=2")
    });

    // A lab goes with its running guests.
    let traces = Traces::of(lab);
    test.down().unwrap();
    assert_eq!(traces.left(), Vec::<String>::new());
}

#[test]
fn a_guest_without_virtio_boots_and_answers() {
    if !support::wanted() {
        return;
    }
    let test = TestLab::up("v", 1);
    let host = &test.lab.hosts[0];
    upload_image(host, Kernel::Generic);
    let guest = Guest {
        name: "bare",
        address: test.lab.guests.first,
        mac: "52:54:00:be:11:02",
        bare: true,
    };
    guest.start(&test.lab, host, "#cloud-config\n{}\n");
    guest.wait_for_echo(host);
}
