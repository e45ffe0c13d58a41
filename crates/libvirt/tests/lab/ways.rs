//! The ways to a host, and what is said when one is closed.

use crate::bench::{Bench, connector, connector_connect};
use bellwether_hypervisor::{Connector, HypervisorError};
use bellwether_libvirt::LibvirtConnector;
use std::os::unix::fs::PermissionsExt;

#[tokio::test(flavor = "multi_thread")]
async fn every_transport_reaches_the_same_host() {
    let Some(bench) = Bench::up("lvways") else {
        return;
    };
    let uris = &bench.lab.hosts[0].uris;
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    for uri in [&uris.local, &uris.tcp, &uris.tls, &uris.ssh] {
        let host = connector()
            .connect(uri)
            .await
            .unwrap_or_else(|why| panic!("{uri}: {why}"));
        let facts = host.facts().await.unwrap();
        assert!(facts.hostname.contains("host1"), "{uri}");
        // libvirt does not tell it, ssh does; all hosts of a lab share this machine's.
        let known = (uri == &uris.ssh).then_some(release.trim_end());
        assert_eq!(facts.kernel.as_deref(), known, "{uri}");
        assert!(host.power_states().await.is_ok(), "{uri}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_ways_are_said_plainly() {
    let Some(bench) = Bench::up("lvclosed") else {
        return;
    };
    let address = bench.lab.hosts[0].address.to_string();
    let tls = bench.lab.hosts[0].uris.tls.clone();
    let empty = tempfile::tempdir().unwrap();
    let stranger = empty.path().join("ssh");
    let script = format!(
        "#!/bin/sh\nexec {} -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes \"$@\"\n",
        bench.lab.ssh.join("ssh").display()
    );
    std::fs::write(&stranger, script).unwrap();
    std::fs::set_permissions(&stranger, PermissionsExt::from_mode(0o755)).unwrap();
    let cases = [
        (
            format!("qemu+tcp://{address}:1/system"),
            "it refuses the connection",
        ),
        (
            "qemu+tcp://nosuchhost.invalid/system".to_owned(),
            "its name is not known",
        ),
        (
            "qemu+unix:///system?socket=/nonexistent/libvirt-sock".to_owned(),
            "libvirt does not run there",
        ),
        (
            format!(
                "qemu+tls://{address}/system?pkipath={}",
                empty.path().display()
            ),
            "a certificate for TLS is missing",
        ),
        // The same place by a name that is not in the certificate.
        (
            tls.replace(&address, &format!("[::ffff:{address}]")),
            "made out to another name",
        ),
        // ssh that never saw this host.
        (
            format!(
                "qemu+ssh://root@{address}/system?command={}",
                stranger.display()
            ),
            "ssh does not know the host's key",
        ),
        // ssh as a stranger: no key of ours is known there.
        (
            format!("qemu+ssh://root@{address}/system?no_verify=1"),
            "ssh took none of our keys",
        ),
    ];
    for (uri, words) in cases {
        let said = connector_connect(&uri).await.expect("it is closed");
        println!("{uri}\n    {said}");
        assert!(said.to_string().contains(words), "{uri}: {said}");
    }
    let strict = LibvirtConnector::new()
        .connect(&bench.lab.hosts[0].uris.ssh)
        .await
        .err();
    assert!(
        matches!(strict, Some(HypervisorError::BadUri { .. })),
        "{strict:?}"
    );
}
