//! What somebody has to do by hand so that a host can be reached, and so that VMs can move between hosts, with the
//! commands for it.

use bellwether_model::{
    host::{Host, HostMode, NoConnection},
    host_uri::{HostUri, SshCommands, Transport},
};

/// Something still to be done by hand, with the commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What is missing and why it is needed.
    pub what: String,
    /// Commands, to be run as said in `what`.
    pub commands: Vec<String>,
}

fn advice(what: impl Into<String>, commands: impl IntoIterator<Item = String>) -> Advice {
    Advice {
        what: what.into(),
        commands: commands.into_iter().collect(),
    }
}

/// Where libvirt looks for certificates unless the address says otherwise.
const AUTHORITY: &str = "/etc/pki/CA/cacert.pem";
const CLIENT: [&str; 2] = [
    "/etc/pki/libvirt/clientcert.pem",
    "/etc/pki/libvirt/private/clientkey.pem",
];

/// What to do so that the server reaches the host at `uri`, which it did not because of `why`.
pub fn to_reach(uri: &HostUri, why: NoConnection) -> Option<Advice> {
    use NoConnection as No;
    use Transport::{Simulated, Ssh, Tcp, Test, Tls, Unix};
    const HERE: &str = "on the machine that runs bellwetherd, as the user it runs as";
    let check = format!("virsh -c {} list --all", quoted(uri.as_str()));
    let user = uri.user().unwrap_or("USER");
    let join = format!("sudo usermod -aG libvirt {}", quoted(user));
    let listen = |socket: &str| {
        [
            "sudo systemctl stop libvirtd.service".to_owned(),
            format!("sudo systemctl enable --now {socket}"),
        ]
    };
    Some(match (uri.transport(), why) {
        (Test | Simulated, _) | (_, No::Other) => return None,
        (Ssh, No::Key) => advice(
            format!(
                "The host takes none of the server's keys. Run {HERE} (ssh-keygen first, where it has no key yet):"
            ),
            [copy_key(uri), check],
        ),
        (Ssh, No::HostKey) => advice(
            format!(
                "The server does not know the host's key, or it has changed. Compare it with what \"ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\" says on the host, then run {HERE} (the first only where it has rightly changed):"
            ),
            [
                format!("ssh-keygen -R {}", quoted(&known_as(uri))),
                ssh(uri, "true"),
                check,
            ],
        ),
        (Ssh, No::NotAllowed) => advice(
            "libvirt on the host does not let the user in whom ssh logs in. Run on the host:",
            [join],
        ),
        (Ssh, No::NoLibvirt) => advice(
            "ssh gets in, but libvirt does not answer there. Run on the host, where libvirt-daemon-system must be installed:",
            ["sudo systemctl enable --now libvirtd.socket".to_owned()],
        ),
        (Ssh, No::Refused) => advice(
            "Nothing listens on the host's ssh port. Run on the host:",
            ["sudo systemctl enable --now ssh".to_owned()],
        ),
        (Tls, No::Certificate | No::Key | No::NotAllowed) => {
            let [authority, certificate, key] = match uri.parameter("pkipath") {
                Some(folder) => ["cacert", "clientcert", "clientkey"]
                    .map(|name| format!("{}/{name}.pem", folder.trim_end_matches('/'))),
                None => [AUTHORITY, CLIENT[0], CLIENT[1]].map(str::to_owned),
            };
            advice(
                format!(
                    "TLS needs three files here, readable by the user bellwetherd runs as: the authority's certificate, which signed the host's, and a client certificate with its key, which the host's authority signed; and on the host a server certificate made out to \"{}\", which virt-pki-validate checks there. Run {HERE}:",
                    uri.host()
                ),
                [
                    format!(
                        "ls -l {} {} {}",
                        quoted(&authority),
                        quoted(&certificate),
                        quoted(&key)
                    ),
                    format!(
                        "certtool --certificate-info --infile {}",
                        quoted(&certificate)
                    ),
                    format!(
                        "certtool --verify --load-ca-certificate {} --infile {}",
                        quoted(&authority),
                        quoted(&certificate)
                    ),
                    check,
                ],
            )
        }
        (Tls, No::Refused | No::NoLibvirt) => advice(
            "libvirt does not listen for TLS on the host. Run there, where its server certificate must be in place:",
            listen("libvirtd-tls.socket"),
        ),
        (Tcp, No::Refused | No::NoLibvirt) => advice(
            "libvirt does not listen for TCP on the host. That way is neither encrypted nor asks who comes, so better use qemu+tls or qemu+ssh; in a lab, run on the host:",
            listen("libvirtd-tcp.socket"),
        ),
        (Unix, No::NotAllowed) => advice(
            "The user bellwetherd runs as must be in the group libvirt of its machine. Run there, for that user:",
            [
                join.replace("USER", "bellwether"),
                "sudo systemctl restart bellwetherd".to_owned(),
            ],
        ),
        (Unix, No::NoLibvirt | No::Refused) => advice(
            "libvirt does not run on the server's machine. Run there:",
            ["sudo systemctl enable --now libvirtd.socket".to_owned()],
        ),
        (_, No::UnknownName) => advice(
            format!(
                "The name \"{}\" means nothing on the machine that runs bellwetherd. Give it to DNS or /etc/hosts, or give an IP address instead; to see, run there:",
                uri.host()
            ),
            [format!("getent hosts {}", quoted(uri.host()))],
        ),
        (_, No::TimedOut | No::NoRoute) => {
            let port = uri.port().unwrap_or(match uri.transport() {
                Ssh => 22,
                Tls => 16514,
                _ => 16509,
            });
            advice(
                format!(
                    "No way leads to the host: is it switched on, and does a firewall let the server through to port {port}? To see, run on the machine that runs bellwetherd:"
                ),
                [
                    format!("ping -c 3 {}", quoted(uri.host())),
                    format!("nc -vz {} {port}", quoted(uri.host())),
                ],
            )
        }
        (_, No::OtherMachine) => advice(
            "Another machine answers at its address than the one that was added. Correct the address or DNS. Where the machine was replaced and its VMs are gone for good, declare the host off, remove it and add the new one.",
            [],
        ),
        (_, No::Key | No::HostKey | No::Certificate | No::NotAllowed) => return None,
    })
}

/// What must be so that `host` and each of `others` can move VMs to one another; `proven` says of a way (from, to) that a
/// move has taken it.
pub fn to_move(
    host: &Host,
    others: &[Host],
    proven: impl Fn(&Host, &Host) -> bool,
    commands: SshCommands,
) -> Vec<Advice> {
    let others: Vec<&Host> = others
        .iter()
        .filter(|other| other.id != host.id && other.mode != HostMode::DeclaredOff)
        .collect();
    let there: Vec<_> = others
        .iter()
        .filter(|other| !proven(host, other))
        .filter_map(|other| Some((*other, way(other, commands)?)))
        .collect();
    let back: Vec<_> = others.iter().filter(|other| !proven(other, host)).collect();
    let mut missing = Vec::new();
    if !there.is_empty() {
        let names = names(there.iter().map(|(other, _)| other.name.as_str()));
        missing.push(advice(
            format!(
                "So that {} can move VMs to {names}, which no move has proven yet, run as root on {}:{}",
                host.name,
                host.name,
                certificates(there.iter().map(|(other, _)| *other), commands)
            ),
            there.into_iter().flat_map(|(_, commands)| commands),
        ));
    }
    if !back.is_empty()
        && let Some(way) = way(host, commands)
    {
        let names = names(back.iter().map(|other| other.name.as_str()));
        missing.push(advice(
            format!(
                "So that {names} can move VMs to {}, which no move has proven yet, run as root on {}:{}",
                host.name,
                if back.len() == 1 { names.as_str() } else { "each of them" },
                certificates([host].into_iter(), commands)
            ),
            way,
        ));
    }
    missing
}

/// What opens the way to a host for another one.
fn way(to: &Host, commands: SshCommands) -> Option<Vec<String>> {
    // What an earlier version may have let in is never shown for pasting.
    let uri = HostUri::parse(&to.peer_uri, commands).ok()?;
    let check = format!("virsh -c {} hostname", quoted(uri.as_str()));
    match uri.transport() {
        Transport::Ssh => Some(vec![copy_key(&uri), check]),
        Transport::Tls | Transport::Tcp => Some(vec![check]),
        Transport::Unix | Transport::Test | Transport::Simulated => None,
    }
}

/// What else is needed where one of them is reached by TLS.
fn certificates<'a>(mut to: impl Iterator<Item = &'a Host>, commands: SshCommands) -> String {
    let tls = to.any(|to| {
        HostUri::parse(&to.peer_uri, commands).is_ok_and(|uri| uri.transport() == Transport::Tls)
    });
    if tls {
        format!(
            " (TLS: {AUTHORITY}, {} and {} must be there, signed by an authority the other side trusts)",
            CLIENT[0], CLIENT[1]
        )
    } else {
        String::new()
    }
}

/// `a`, `a and b`, `a, b and c`.
fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
        None => String::new(),
    }
}

/// As ssh keeps the host among those it knows.
fn known_as(uri: &HostUri) -> String {
    match uri.port() {
        Some(port) => format!("[{}]:{port}", uri.host()),
        None => uri.host().to_owned(),
    }
}

fn login(uri: &HostUri) -> String {
    let user = uri.user().map_or(String::new(), |user| format!("{user}@"));
    quoted(&format!("{user}{}", uri.host()))
}

fn port(uri: &HostUri) -> String {
    uri.port()
        .map_or(String::new(), |port| format!("-p {port} "))
}

fn ssh(uri: &HostUri, command: &str) -> String {
    format!("ssh {}{} {command}", port(uri), login(uri))
}

/// Lets a key in at the host that `uri` names.
fn copy_key(uri: &HostUri) -> String {
    let key = uri
        .parameter("keyfile")
        .map_or(String::new(), |key| format!("-i {} ", quoted(key)));
    format!("ssh-copy-id {key}{}{}", port(uri), login(uri))
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./_-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests;
