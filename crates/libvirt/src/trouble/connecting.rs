//! A connection that could not be opened.

use super::BROKEN;
use crate::ffi::Failure;
use bellwether_hypervisor::HypervisorError;
use bellwether_model::host::NoConnection;

/// A connection that could not be opened, in plain words: what is wrong and, where there is one thing to do, what.
pub(crate) fn connect_error(failure: &Failure) -> HypervisorError {
    use NoConnection as Why;
    let no = |why: Why, said: String| HypervisorError::NoConnection { why, said };
    let text = failure.message.as_str();
    let has = |words: &str| text.contains(words);
    let any = |list: &[&str]| list.iter().any(|words| has(words));
    let ssh = any(&[
        "ssh",
        "publickey",
        "Host key",
        "host key",
        "Cannot recv data",
    ]);

    // ssh, which libvirt runs for us: its words arrive behind "Cannot recv data:".
    if any(&["Permission denied (", "Too many authentication failures"]) {
        return no(Why::Key,
            "ssh took none of our keys; put the public key of the user that runs bellwetherd into the host's authorized_keys"
                .into(),
        );
    }
    if any(&["Host key verification failed", "IDENTIFICATION HAS CHANGED"]) {
        return no(Why::HostKey,
            "ssh does not know the host's key, or the key has changed; check it and add it to known_hosts"
                .into(),
        );
    }
    // TLS.
    if any(&[
        "Cannot read CA certificate",
        "Cannot read certificate",
        "Cannot read private key",
        "Unable to read TLS",
        "Unable to import",
    ]) && any(&["No such file", "Permission denied", ".pem"])
    {
        return no(
            Why::Certificate,
            format!("a certificate for TLS is missing or can't be read here ({text})"),
        );
    }
    if any(&[
        "has expired",
        "not yet active",
        "is not yet active",
        "certificate expired",
    ]) {
        return no(
            Why::Certificate,
            format!("a certificate is expired or not yet valid ({text})"),
        );
    }
    if any(&[
        "hasn't got a known issuer",
        "not trusted",
        "failed validation against",
        "issuer is unknown",
    ]) {
        return no(
            Why::Certificate,
            format!("the host's certificate is not signed by the authority we trust ({text})"),
        );
    }
    if any(&[
        "does not match the hostname",
        "owner does not match",
        "does not match hostname",
    ]) {
        return no(
            Why::Certificate,
            format!(
                "the host's certificate is made out to another name than the one in the address ({text})"
            ),
        );
    }
    // What is wrong with it, libvirt only writes to a log.
    if has("verify peer's certificate") {
        return no(
            Why::Certificate,
            format!(
                "the host's certificate is made out to another name than the one in the address, not valid today, or not signed by the authority we trust ({text})"
            ),
        );
    }
    if any(&[
        "TLS handshake failed",
        "Unable to read TLS confirmation",
        "TLS fatal alert",
        "certificate required",
    ]) {
        return no(
            Why::Certificate,
            format!("the host refused our certificate, or we refused its ({text})"),
        );
    }
    // Local socket and authorisation.
    if any(&[
        "no polkit agent",
        "access denied by policy",
        "Authorization requires",
        "polkit",
    ]) {
        return no(Why::NotAllowed,
            "libvirt's policy on that host does not allow it; put the user into the group libvirt there".into(),
        );
    }
    if failure.errno == libc::EACCES || has("Permission denied") {
        return no(
            Why::NotAllowed,
            if ssh && !has("libvirt-sock") {
                format!("ssh refused ({text})")
            } else {
                "libvirt's socket is not open to this user; put the user into the group libvirt on that host".into()
            },
        );
    }
    if failure.code == virt_sys::VIR_ERR_AUTH_FAILED
        || failure.code == virt_sys::VIR_ERR_AUTH_UNAVAILABLE
        || failure.code == virt_sys::VIR_ERR_AUTH_CANCELLED
        || failure.code == virt_sys::VIR_ERR_ACCESS_DENIED
        || failure.code == virt_sys::VIR_ERR_OPERATION_DENIED
    {
        return no(
            Why::NotAllowed,
            format!("libvirt there wants credentials we don't have ({text})"),
        );
    }
    // The way there.
    if any(&[
        "Name or service not known",
        "Could not resolve hostname",
        "Temporary failure in name resolution",
        "nodename nor servname",
        "No address associated with hostname",
        "unable to resolve",
        "Unable to resolve",
    ]) {
        return no(
            Why::UnknownName,
            "its name is not known here (no DNS answer, not in /etc/hosts)".into(),
        );
    }
    if matches!(failure.errno, libc::EHOSTUNREACH | libc::ENETUNREACH)
        || has("No route to host")
        || has("Network is unreachable")
    {
        return no(Why::NoRoute, "there is no route to it from here".into());
    }
    if failure.errno == libc::ETIMEDOUT
        || any(&["Connection timed out", "Operation timed out", "timed out"])
    {
        return no(
            Why::TimedOut,
            "nothing came back in time; is it switched on, and does a firewall let us through?"
                .into(),
        );
    }
    if has("libvirt-sock") && has("No such file or directory") || has("-sock': No such file") {
        return no(
            Why::NoLibvirt,
            "libvirt does not run there (its socket is missing); start libvirtd or virtqemud"
                .into(),
        );
    }
    if failure.errno == libc::ECONNREFUSED || has("Connection refused") {
        return no(
            Why::Refused,
            if has("port 22") || has("ssh:") {
                "it refuses ssh connections (nothing listens on the ssh port)".into()
            } else {
                "it refuses the connection; does libvirt run there and listen?".into()
            },
        );
    }
    if has("Cannot find 'ssh' in path") {
        return no(
            Why::Other,
            "the program ssh is not installed on the machine that runs bellwetherd".into(),
        );
    }
    if any(&["command not found", "nc: not found", "Invalid option"]) && ssh {
        return no(
            Why::NoLibvirt,
            format!(
                "ssh let us in, but the program that reaches libvirt is missing there ({text})"
            ),
        );
    }
    if any(BROKEN) {
        return no(
            Why::Other,
            format!("it closed the connection at once ({text})"),
        );
    }
    match failure.code {
        virt_sys::VIR_ERR_NO_CONNECT | virt_sys::VIR_ERR_INVALID_ARG => HypervisorError::BadUri {
            uri: String::new(),
            why: text.to_owned(),
        },
        _ => no(Why::Other, text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trouble::failure;

    /// Messages as libvirt 11.3 and OpenSSH 9 give them.
    #[test]
    fn connecting_fails_in_plain_words() {
        let system = virt_sys::VIR_ERR_SYSTEM_ERROR;
        let table: &[(u32, &str, &str)] = &[
            (
                system,
                "unable to connect to server at 'h:16509': Connection refused",
                "the host does not answer: it refuses the connection; does libvirt run there and listen?",
            ),
            (
                system,
                "Unable to resolve address 'nosuch' service '16509': Name or service not known",
                "the host does not answer: its name is not known here (no DNS answer, not in /etc/hosts)",
            ),
            (
                system,
                "unable to connect to server at '10.9.9.9:16509': No route to host",
                "the host does not answer: there is no route to it from here",
            ),
            (
                system,
                "unable to connect to server at '10.9.9.9:16509': Connection timed out",
                "the host does not answer: nothing came back in time; is it switched on, and does a firewall let us through?",
            ),
            (
                system,
                "Cannot recv data: root@h: Permission denied (publickey,password).: Connection reset by peer",
                "the host does not let us in: ssh took none of our keys; put the public key of the user that runs bellwetherd into the host's authorized_keys",
            ),
            (
                system,
                "Cannot recv data: Host key verification failed.: Connection reset by peer",
                "the host does not let us in: ssh does not know the host's key, or the key has changed; check it and add it to known_hosts",
            ),
            (
                system,
                "Cannot recv data: ssh: connect to host h port 22: Connection refused: Connection reset by peer",
                "the host does not answer: it refuses ssh connections (nothing listens on the ssh port)",
            ),
            (
                system,
                "Cannot recv data: ssh: Could not resolve hostname nosuch: Name or service not known: Connection reset by peer",
                "the host does not answer: its name is not known here (no DNS answer, not in /etc/hosts)",
            ),
            (
                system,
                "Cannot read CA certificate '/etc/pki/CA/cacert.pem': No such file or directory",
                "the host does not let us in: a certificate for TLS is missing or can't be read here (Cannot read CA certificate '/etc/pki/CA/cacert.pem': No such file or directory)",
            ),
            (
                virt_sys::VIR_ERR_RPC,
                "The server certificate /etc/pki/libvirt/servercert.pem has expired",
                "the host does not let us in: a certificate is expired or not yet valid (The server certificate /etc/pki/libvirt/servercert.pem has expired)",
            ),
            (
                virt_sys::VIR_ERR_RPC,
                "Certificate failed validation: The certificate hasn't got a known issuer.",
                "the host does not let us in: the host's certificate is not signed by the authority we trust (Certificate failed validation: The certificate hasn't got a known issuer.)",
            ),
            (
                virt_sys::VIR_ERR_RPC,
                "Certificate [session] owner does not match the hostname h",
                "the host does not let us in: the host's certificate is made out to another name than the one in the address (Certificate [session] owner does not match the hostname h)",
            ),
            (
                virt_sys::VIR_ERR_AUTH_FAILED,
                "authentication failed: Failed to verify peer's certificate",
                "the host does not let us in: the host's certificate is made out to another name than the one in the address, not valid today, or not signed by the authority we trust (authentication failed: Failed to verify peer's certificate)",
            ),
            (
                virt_sys::VIR_ERR_AUTH_FAILED,
                "authentication failed: TLS handshake failed A TLS fatal alert has been received.",
                "the host does not let us in: the host refused our certificate, or we refused its (authentication failed: TLS handshake failed A TLS fatal alert has been received.)",
            ),
            (
                virt_sys::VIR_ERR_AUTH_UNAVAILABLE,
                "authentication unavailable: no polkit agent available to authenticate action 'org.libvirt.unix.manage'",
                "the host does not let us in: libvirt's policy on that host does not allow it; put the user into the group libvirt there",
            ),
            (
                virt_sys::VIR_ERR_AUTH_FAILED,
                "authentication failed: Failed to start SASL negotiation",
                "the host does not let us in: libvirt there wants credentials we don't have (authentication failed: Failed to start SASL negotiation)",
            ),
            (
                system,
                "Failed to connect socket to '/var/run/libvirt/libvirt-sock': Permission denied",
                "the host does not let us in: libvirt's socket is not open to this user; put the user into the group libvirt on that host",
            ),
            (
                system,
                "Failed to connect socket to '/var/run/libvirt/libvirt-sock': No such file or directory",
                "the host does not answer: libvirt does not run there (its socket is missing); start libvirtd or virtqemud",
            ),
            (
                system,
                "Cannot find 'ssh' in path: No such file or directory",
                "the host does not answer: the program ssh is not installed on the machine that runs bellwetherd",
            ),
            (
                system,
                "End of file while reading data: Input/output error",
                "the host does not answer: it closed the connection at once (End of file while reading data: Input/output error)",
            ),
        ];
        for (code, message, said) in table {
            assert_eq!(
                connect_error(&failure(*code, message)).to_string(),
                *said,
                "{message}"
            );
        }
    }
}
