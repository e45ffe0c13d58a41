//! The address of a host: a libvirt URI, read once and in one place, so that whoever takes it from a person and whoever
//! hands it to libvirt agree on what it says.
//!
//! It comes from an administrator of Bellwether, who is not thereby one of the machine it runs on: what would run a program
//! of the caller's choice or read a file here is refused, unless whoever deploys it says otherwise. Parameters are told
//! apart as libvirt does it, which takes `;` for `&`: neither `;` nor `#` is let through.

use crate::text::shown;
use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

/// How a host is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// A socket of this machine.
    Unix,
    /// By ssh.
    Ssh,
    /// By TLS with certificates.
    Tls,
    /// By TCP in the clear.
    Tcp,
    /// libvirt's own test driver, inside this process.
    Test,
    /// A simulated host, inside this process.
    Simulated,
}

impl Transport {
    /// Whether it leads to another machine.
    pub fn is_remote(self) -> bool {
        matches!(self, Transport::Ssh | Transport::Tls | Transport::Tcp)
    }
    /// Whether it leads to a machine at all, and not to something pretended inside this process.
    pub fn is_real(self) -> bool {
        !matches!(self, Transport::Test | Transport::Simulated)
    }
}

/// Whether an address may name the ssh program to run (`command=`), or waive the check of a host's key (`no_verify=`),
/// which such a program could do as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SshCommands {
    /// It may not.
    #[default]
    Refused,
    /// It may: whoever deploys this trusts those who add hosts with running programs.
    Allowed,
}

/// Parameters that may be given. `netcat` would run a program on the host, `name` open another hypervisor there.
const PARAMETERS: &[&str] = &[
    "socket",
    "mode",
    "keyfile",
    "no_tty",
    "pkipath",
    "tls_priority",
];

/// Parameters that a deployment has to allow.
const TRUSTED_PARAMETERS: &[&str] = &["command", "no_verify"];

/// What an address looks like, for messages.
const EXAMPLES: &str =
    "qemu+ssh://user@host/system, qemu+tls://host/system, qemu+tcp://host/system or qemu:///system";

/// An address whose form is acceptable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostUri {
    text: String,
    transport: Transport,
    user: Option<String>,
    host: String,
    port: Option<u16>,
    parameters: Vec<(String, String)>,
}

impl HostUri {
    /// Reads an address; what is wrong with it, and what would be accepted, where it is not acceptable.
    pub fn parse(text: &str, commands: SshCommands) -> Result<Self, String> {
        if text.len() > 512 {
            return Err("it is longer than 512 characters".into());
        }
        if !text.chars().all(|c| c.is_ascii_graphic()) {
            return Err("it holds a space or another character that does not belong there".into());
        }
        // What a path, a name or a list of TLS priorities needs; nothing that a shell takes for more than itself.
        let belongs = |c: char| c.is_ascii_alphanumeric() || "._-~:/?&=@[]+,!".contains(c);
        if let Some(bad) = text.chars().find(|c| !belongs(*c)) {
            return Err(format!("'{bad}' can't stand in it"));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!("give one like {EXAMPLES}"));
        };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = place.split_once('/').unwrap_or((place, ""));
        let bare = |transport| Self {
            text: text.to_owned(),
            transport,
            user: None,
            host: String::new(),
            port: None,
            parameters: Vec::new(),
        };
        match scheme {
            // What follows in the address of a simulated host names it and says how large its fleet is.
            "sim" => return Ok(bare(Transport::Simulated)),
            // Any other path would be a file of this machine, read as the server's user and quoted in what libvirt says.
            "test" if rest == "/default" => return Ok(bare(Transport::Test)),
            "test" => return Err("of libvirt's test driver only test:///default is served".into()),
            _ => {}
        }
        let (user, machine) = match authority.rsplit_once('@') {
            Some((user, machine)) => (Some(user), machine),
            None => (None, authority),
        };
        let transport = match (scheme, machine.is_empty()) {
            ("qemu", true) | ("qemu+unix", true) => Transport::Unix,
            ("qemu+unix", false) => {
                return Err("a unix socket is of this machine; leave the host out".into());
            }
            ("qemu" | "qemu+tls", _) => Transport::Tls,
            ("qemu+ssh", _) => Transport::Ssh,
            ("qemu+tcp", _) => Transport::Tcp,
            _ => {
                return Err(format!(
                    "'{}' is not served; give one like {EXAMPLES}",
                    shown(scheme)
                ));
            }
        };
        if user.is_some_and(|user| user.contains(':')) {
            return Err(
                "leave the password out of the address; use an ssh key or a certificate".into(),
            );
        }
        if user.is_some_and(|user| !is_name(user)) {
            return Err("a user is letters, digits, '.', '_' and '-'".into());
        }
        let (host, port) = host_and_port(machine)?;
        if transport.is_remote() && host.is_empty() {
            return Err("the name or address of the host is missing".into());
        }
        if path != "system" {
            return Err("it must end in /system".into());
        }
        let mut parameters = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let known = PARAMETERS.contains(&name)
                || commands == SshCommands::Allowed && TRUSTED_PARAMETERS.contains(&name);
            if !known {
                return Err(format!(
                    "the option '{}' is not accepted; these are: {}",
                    shown(name),
                    PARAMETERS.join(", ")
                ));
            }
            parameters.push((name.to_owned(), value.to_owned()));
        }
        Ok(Self {
            user: user.map(str::to_owned),
            host,
            port,
            parameters,
            ..bare(transport)
        })
    }
    /// As given.
    pub fn as_str(&self) -> &str {
        &self.text
    }
    /// How the host is reached.
    pub fn transport(&self) -> Transport {
        self.transport
    }
    /// The user to log in as.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }
    /// Name or address of the host, without the brackets of IPv6; empty for this machine.
    pub fn host(&self) -> &str {
        &self.host
    }
    /// The port, where one is given.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
    /// The value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }
    /// Whether another machine can use it: it names a host, and not by a name that means "here".
    pub fn works_from_elsewhere(&self) -> bool {
        let address = self.host.parse::<IpAddr>().ok();
        let here = address.is_some_and(|address| {
            let address = address.to_canonical();
            address.is_loopback() || address.is_unspecified()
        }) || self.host.split('.').next() == Some("localhost");
        self.transport.is_remote() && !here
    }
    /// Without parameters: they name keys and sockets of this machine.
    pub fn without_parameters(&self) -> &str {
        if self.transport == Transport::Simulated {
            return &self.text;
        }
        self.text.split('?').next().unwrap_or(&self.text)
    }
}

impl fmt::Display for HostUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// An address that could not be read, fit for a message: without what stands before `@`.
pub fn without_credentials(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (authority, tail) = rest.split_at(end);
            let host = authority
                .rsplit_once('@')
                .map_or(authority, |(_, host)| host);
            shown(&format!("{scheme}://{host}{tail}"))
        }
        None => shown(text),
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// `name`, `name:22`, `10.0.0.1`, `[fd00::1]:22`; empty for none.
fn host_and_port(text: &str) -> Result<(String, Option<u16>), String> {
    const WRONG: &str = "a host is a name or an address, an IPv6 address in brackets, with a port behind ':' if need be";
    if text.is_empty() {
        return Ok((String::new(), None));
    }
    let (host, rest) = match text.strip_prefix('[') {
        Some(inner) => {
            let (host, rest) = inner.split_once(']').ok_or(WRONG)?;
            host.parse::<Ipv6Addr>().map_err(|_| WRONG)?;
            (host, rest)
        }
        None => {
            let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
            if !is_name(host) {
                return Err(WRONG.into());
            }
            (host, rest)
        }
    };
    let port = match rest.strip_prefix(':') {
        Some(port) => Some(
            port.parse::<u16>()
                .ok()
                .filter(|port| *port > 0)
                .ok_or("a port is a number from 1 to 65535")?,
        ),
        None if rest.is_empty() => None,
        None => return Err(WRONG.into()),
    };
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(uri: &str) -> Result<HostUri, String> {
        HostUri::parse(uri, SshCommands::Refused)
    }

    #[test]
    fn what_hosts_are_reached_by_is_read() {
        for (uri, transport, user, host, port) in [
            ("qemu:///system", Transport::Unix, None, "", None),
            (
                "qemu+unix:///system?socket=/run/lab/h1/libvirt/libvirt-sock",
                Transport::Unix,
                None,
                "",
                None,
            ),
            (
                "qemu+ssh://root@10.0.0.1/system",
                Transport::Ssh,
                Some("root"),
                "10.0.0.1",
                None,
            ),
            (
                "qemu+ssh://root@h1:2222/system?keyfile=/k&no_tty=1",
                Transport::Ssh,
                Some("root"),
                "h1",
                Some(2222),
            ),
            (
                "qemu+tls://h1.example.org/system?pkipath=/pki&tls_priority=NORMAL:-VERS-ALL:+VERS-TLS1.3",
                Transport::Tls,
                None,
                "h1.example.org",
                None,
            ),
            ("qemu://h1/system", Transport::Tls, None, "h1", None),
            (
                "qemu+tcp://[fd00::1]:16509/system",
                Transport::Tcp,
                None,
                "fd00::1",
                Some(16509),
            ),
            ("test:///default", Transport::Test, None, "", None),
            (
                "sim://demo/host01?hosts=50&vms=2000",
                Transport::Simulated,
                None,
                "",
                None,
            ),
        ] {
            let read = parse(uri).unwrap_or_else(|why| panic!("{uri}: {why}"));
            assert_eq!(
                (read.transport(), read.user(), read.host(), read.port()),
                (transport, user, host, port),
                "{uri}"
            );
            assert_eq!(read.as_str(), uri);
        }
    }

    #[test]
    fn what_would_run_programs_or_read_files_or_is_nonsense_is_refused() {
        for (bad, why) in [
            ("qemu+ext:///system?command=/bin/evil", "'qemu+ext'"),
            ("qemu+ssh://h/system?command=/bin/evil", "'command'"),
            ("qemu+ssh://h/system?netcat=/bin/evil", "'netcat'"),
            ("qemu+ssh://h/system?name=test:///etc/shadow", "'name'"),
            ("qemu+ssh://h/system?no_verify=1", "'no_verify'"),
            (
                "qemu+ssh://h/system?no_tty=1;command=/bin/evil",
                "';' can't stand in it",
            ),
            (
                "qemu+ssh://h/system#?command=/bin/evil",
                "'#' can't stand in it",
            ),
            ("qemu+ssh://h/system?%63ommand=/bin/evil", "'%' can't"),
            ("qemu+ssh://h/system?socket=`id`", "'`' can't"),
            ("qemu+ssh://h/system?socket=$(id)", "'$' can't"),
            ("qemu+ssh://-oProxyCommand=evil/system", "a host is"),
            ("qemu+ssh://-l@h/system", "a user is"),
            ("qemu+ssh://root:secret@h/system", "password"),
            ("qemu+ssh://h:22:23/system", "a port is"),
            ("qemu+ssh://h:0/system", "a port is"),
            ("qemu+tcp://fd00::1/system", "a port is"),
            ("qemu+tcp://[fd00::1/system", "a host is"),
            ("qemu+tcp:///system", "missing"),
            ("qemu+unix://h/system", "leave the host out"),
            ("xen:///system", "'xen'"),
            ("http://h/system", "'http'"),
            ("host1", "give one like"),
            ("qemu:///system\n", "does not belong"),
            ("qemu:///session", "/system"),
            ("qemu:///", "/system"),
            ("test:///etc/shadow", "test:///default"),
            ("test:///default?x=1", "test:///default"),
            ("test+ssh://h/default", "'test+ssh'"),
        ] {
            let said = parse(bad).unwrap_err();
            assert!(said.contains(why), "{bad}: {said}");
            assert!(!said.contains("secret"), "{said}");
        }
        assert!(parse(&format!("qemu+tls://{}/system", "h".repeat(600))).is_err());
    }

    #[test]
    fn commands_only_where_the_deployment_allows_them() {
        for uri in [
            "qemu+ssh://h/system?command=/lab/ssh",
            "qemu+ssh://h/system?no_verify=1",
        ] {
            assert!(parse(uri).is_err());
            assert!(HostUri::parse(uri, SshCommands::Allowed).is_ok());
        }
        let netcat = "qemu+ssh://h/system?netcat=/bin/evil";
        assert!(HostUri::parse(netcat, SshCommands::Allowed).is_err());
    }

    #[test]
    fn an_address_that_means_here_does_not_work_from_elsewhere() {
        for (uri, works) in [
            ("qemu+ssh://root@h1/system", true),
            ("qemu+tcp://10.0.0.1/system", true),
            ("qemu:///system", false),
            ("qemu+ssh://root@localhost/system", false),
            ("qemu+tcp://localhost.localdomain/system", false),
            ("qemu+tls://127.0.1.1/system", false),
            ("qemu+tls://[::1]/system", false),
            ("qemu+tls://[::ffff:127.0.0.1]/system", false),
            ("qemu+tcp://0.0.0.0/system", false),
            ("test:///default", false),
        ] {
            assert_eq!(parse(uri).unwrap().works_from_elsewhere(), works, "{uri}");
        }
    }

    #[test]
    fn credentials_are_never_repeated() {
        assert_eq!(
            without_credentials("qemu+ssh://root:secret@h1/system?x=1"),
            "qemu+ssh://h1/system?x=1"
        );
        assert_eq!(without_credentials("nonsense"), "nonsense");
    }
}
