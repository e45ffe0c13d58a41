use super::*;
use crate::testing;

fn host(number: u64, peer_uri: &str) -> Host {
    Host {
        name: format!("h{number}"),
        peer_uri: peer_uri.into(),
        ..testing::host(number)
    }
}

fn reach(uri: &str, why: NoConnection) -> Option<Advice> {
    to_reach(&HostUri::parse(uri, SshCommands::Refused).unwrap(), why)
}

#[test]
fn each_way_that_fails_has_its_commands() {
    use NoConnection as No;
    for (uri, why, said, first) in [
        (
            "qemu+ssh://root@h1:2222/system?keyfile=/k",
            No::Key,
            "takes none of the server's keys",
            "ssh-copy-id -i /k -p 2222 root@h1",
        ),
        (
            "qemu+ssh://root@h1:2222/system",
            No::HostKey,
            "has changed",
            "ssh-keygen -R '[h1]:2222'",
        ),
        (
            "qemu+ssh://ada@h1/system",
            No::NotAllowed,
            "does not let the user in",
            "sudo usermod -aG libvirt ada",
        ),
        (
            "qemu+ssh://root@h1/system",
            No::NoLibvirt,
            "libvirt does not answer",
            "sudo systemctl enable --now libvirtd.socket",
        ),
        (
            "qemu+ssh://root@h1/system",
            No::TimedOut,
            "port 22?",
            "ping -c 3 h1",
        ),
        (
            "qemu+ssh://root@h1/system",
            No::UnknownName,
            "\"h1\"",
            "getent hosts h1",
        ),
        (
            "qemu+tls://h1/system",
            No::Certificate,
            "made out to \"h1\"",
            "ls -l /etc/pki/CA/cacert.pem /etc/pki/libvirt/clientcert.pem /etc/pki/libvirt/private/clientkey.pem",
        ),
        (
            "qemu+tls://h1/system?pkipath=/pki/",
            No::Certificate,
            "authority",
            "ls -l /pki/cacert.pem /pki/clientcert.pem /pki/clientkey.pem",
        ),
        (
            "qemu+tls://h1/system",
            No::Refused,
            "does not listen for TLS",
            "sudo systemctl stop libvirtd.service",
        ),
        (
            "qemu+tls://h1/system",
            No::NoRoute,
            "port 16514?",
            "ping -c 3 h1",
        ),
        (
            "qemu+tcp://h1/system",
            No::Refused,
            "neither encrypted",
            "sudo systemctl stop libvirtd.service",
        ),
        (
            "qemu:///system",
            No::NotAllowed,
            "group libvirt",
            "sudo usermod -aG libvirt bellwether",
        ),
        (
            "qemu:///system",
            No::NoLibvirt,
            "does not run",
            "sudo systemctl enable --now libvirtd.socket",
        ),
    ] {
        let advice = reach(uri, why).unwrap_or_else(|| panic!("{uri} {why:?}"));
        assert!(advice.what.contains(said), "{uri}: {}", advice.what);
        assert_eq!(advice.commands[0], first, "{uri}");
    }
    let other = reach("qemu+tls://h1/system", No::OtherMachine).unwrap();
    assert_eq!(other.commands, Vec::<String>::new());
    assert_eq!(reach("qemu+tls://h1/system", No::Other), None);
    assert_eq!(reach("sim://demo/host01", No::Refused), None);
}

#[test]
fn commands_between_hosts_can_be_pasted_into_a_shell() {
    for (uri, expected) in [
        (
            "qemu+ssh://root@h1:2222/system",
            vec![
                "ssh-copy-id -p 2222 root@h1",
                "virsh -c qemu+ssh://root@h1:2222/system hostname",
            ],
        ),
        (
            "qemu+ssh://[fd00::1]/system",
            vec![
                "ssh-copy-id fd00::1",
                "virsh -c 'qemu+ssh://[fd00::1]/system' hostname",
            ],
        ),
        (
            "qemu+ssh://root@h1/system?socket=/s&mode=direct",
            vec![
                "ssh-copy-id root@h1",
                "virsh -c 'qemu+ssh://root@h1/system?socket=/s&mode=direct' hostname",
            ],
        ),
        (
            "qemu+tls://h1/system",
            vec!["virsh -c qemu+tls://h1/system hostname"],
        ),
        // What an earlier version may have let in is never shown for pasting.
        ("qemu+ssh://h/system;$(x)", vec![]),
        ("sim://demo/host01", vec![]),
    ] {
        let (new, other) = (host(1, uri), host(2, "sim://demo/host02"));
        let shown = to_move(&new, &[other], |_, _| false, SshCommands::Refused);
        let commands: Vec<_> = shown
            .into_iter()
            .flat_map(|advice| advice.commands)
            .collect();
        assert_eq!(commands, expected);
    }
    assert_eq!(quoted("it's"), r"'it'\''s'");
}

#[test]
fn only_ways_that_no_move_has_proven_are_named() {
    let hosts = [1, 2, 3].map(|number| host(number, &format!("qemu+ssh://root@h{number}/system")));
    let ask = |proven: &[(&str, &str)]| {
        let proven =
            |from: &Host, to: &Host| proven.contains(&(from.name.as_str(), to.name.as_str()));
        let advice = to_move(&hosts[0], &hosts, proven, SshCommands::Refused);
        advice
            .into_iter()
            .map(|advice| advice.what)
            .collect::<Vec<_>>()
    };
    let all = ask(&[]);
    assert_eq!(all.len(), 2);
    assert!(all[0].contains("h1 can move VMs to h2 and h3,"), "{all:?}");
    assert!(all[1].contains("h2 and h3 can move VMs to h1,"), "{all:?}");
    let some = ask(&[("h1", "h2"), ("h2", "h1"), ("h3", "h1")]);
    assert_eq!(some.len(), 1);
    assert!(some[0].contains("h1 can move VMs to h3,"), "{some:?}");
    assert_eq!(
        ask(&[("h1", "h2"), ("h1", "h3"), ("h2", "h1"), ("h3", "h1")]),
        Vec::<String>::new()
    );

    let mut off = hosts.clone();
    off[1].mode = HostMode::DeclaredOff;
    off[2].mode = HostMode::DeclaredOff;
    assert_eq!(
        to_move(&off[0], &off, |_, _| false, SshCommands::Refused),
        []
    );
}
