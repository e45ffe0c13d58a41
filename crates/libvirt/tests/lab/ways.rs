//! The ways to a host, and what is said when one is closed.

use crate::bench::{Bench, connector, connector_connect};
use bellwether_hypervisor::{Connector, HypervisorError};
use bellwether_libvirt::LibvirtConnector;

#[tokio::test(flavor = "multi_thread")]
async fn every_transport_reaches_the_same_host() {
    let Some(bench) = Bench::up("lvways") else {
        return;
    };
    let uris = &bench.lab.hosts[0].uris;
    for uri in [&uris.local, &uris.tcp, &uris.tls, &uris.ssh] {
        let host = connector()
            .connect(uri)
            .await
            .unwrap_or_else(|why| panic!("{uri}: {why}"));
        assert!(
            host.facts().await.unwrap().hostname.contains("host1"),
            "{uri}"
        );
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
        // By a name that is not in the certificate.
        (tls.replace(&address, "localhost"), ""),
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
