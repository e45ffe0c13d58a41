//! Which kernel a host runs. libvirt does not tell it, so it is known only where there is another way to ask that is
//! there already: ssh, where that is how the host is reached, and a file, where the host is this machine.

use bellwether_model::host_uri::{HostUri, Transport};
use std::{process::Stdio, time::Duration};
use tokio::{io::AsyncReadExt, process::Command};

/// How long ssh may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// Bytes read of what it says: a host may greet whoever logs in with anything.
const MOST: u64 = 256;

/// The kernel's release, as `uname -r` prints it; none where nobody tells it.
pub(crate) async fn ask(uri: &HostUri) -> Option<String> {
    match uri.transport() {
        // A socket that is named may come from anywhere, through a tunnel.
        Transport::Unix if uri.parameter("socket").is_none() => {
            let release = tokio::fs::read("/proc/sys/kernel/osrelease").await;
            read(&release.ok()?)
        }
        Transport::Ssh => tokio::time::timeout(DEADLINE, by_ssh(uri)).await.ok()?,
        _ => None,
    }
}

async fn by_ssh(uri: &HostUri) -> Option<String> {
    let mut ssh = Command::new(uri.parameter("command").unwrap_or("ssh"))
        .args(words(uri))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    let mut answer = Vec::new();
    let mut told = ssh.stdout.take()?.take(MOST);
    told.read_to_end(&mut answer).await.ok()?;
    drop(told);
    let status = ssh.wait().await.ok()?;
    status.success().then(|| read(&answer))?
}

/// What ssh is told: the same as libvirt tells it to reach this host, so that the same keys and checks count.
fn words(uri: &HostUri) -> Vec<String> {
    let port = uri.port().map(|port| port.to_string());
    let options = [
        ("-p", port.as_deref()),
        ("-l", uri.user()),
        ("-i", uri.parameter("keyfile")),
        ("-o", Some("BatchMode=yes")),
        // Waived for this host by whoever deploys the server.
        (
            "-o",
            uri.parameter("no_verify")
                .filter(|value| *value != "0")
                .map(|_| "StrictHostKeyChecking=no"),
        ),
        ("-e", Some("none")),
    ];
    let given = options
        .into_iter()
        .filter_map(|(name, value)| Some([name, value?]));
    given
        .flatten()
        .chain(["-T", "--", uri.host(), "uname", "-r"])
        .map(str::to_owned)
        .collect()
}

/// One line that looks like a release.
fn read(answer: &[u8]) -> Option<String> {
    let release = std::str::from_utf8(answer).ok()?.trim_end();
    let belongs = |c: char| c.is_ascii_alphanumeric() || "._-+~".contains(c);
    let is_release = release.len() <= 64
        && release.starts_with(|c: char| c.is_ascii_digit())
        && release.chars().all(belongs);
    is_release.then(|| release.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_model::host_uri::SshCommands;

    fn uri(text: &str) -> HostUri {
        HostUri::parse(text, SshCommands::Allowed).unwrap()
    }

    #[test]
    fn ssh_is_told_what_libvirt_tells_it() {
        for (text, told) in [
            (
                "qemu+ssh://h/system",
                "-o BatchMode=yes -e none -T -- h uname -r",
            ),
            (
                "qemu+ssh://root@h:2222/system?keyfile=/k&no_verify=1",
                "-p 2222 -l root -i /k -o BatchMode=yes -o StrictHostKeyChecking=no -e none -T -- h uname -r",
            ),
            (
                "qemu+ssh://[fd00::1]/system?no_verify=0",
                "-o BatchMode=yes -e none -T -- fd00::1 uname -r",
            ),
        ] {
            assert_eq!(words(&uri(text)).join(" "), told, "{text}");
        }
    }

    #[test]
    fn only_a_release_is_taken_for_one() {
        for (answer, release) in [
            (
                "6.12.41+deb13-cloud-amd64\n",
                Some("6.12.41+deb13-cloud-amd64"),
            ),
            ("6.1.0-38-amd64", Some("6.1.0-38-amd64")),
            ("", None),
            ("Welcome!\n6.1.0-38-amd64\n", None),
            ("6.1 <b>", None),
            ("This account is not available.\n", None),
        ] {
            assert_eq!(read(answer.as_bytes()).as_deref(), release, "{answer:?}");
        }
        assert_eq!(read(&[b'6'; 65]), None);
        assert_eq!(read(&[b'6', 0xff]), None);
    }

    #[tokio::test]
    async fn a_host_that_can_not_be_asked_has_no_known_kernel() {
        for text in [
            "qemu+tcp://127.0.0.1/system",
            "qemu+tls://127.0.0.1/system",
            "qemu:///system?socket=/run/elsewhere",
            "qemu+ssh://127.0.0.1/system?command=/nonexistent/ssh",
            "qemu+ssh://127.0.0.1/system?command=/bin/false",
        ] {
            assert_eq!(ask(&uri(text)).await, None, "{text}");
        }
        let here = ask(&uri("qemu:///system")).await;
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        assert_eq!(here.as_deref(), Some(release.trim_end()));
    }
}
