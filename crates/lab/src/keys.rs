//! Certificates and ssh keys of a lab's own. They protect nothing but the lab, stay in its folder, and are made anew
//! with it; the authority's key is forgotten once it has signed.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

use crate::run::tool;
use crate::state::{Host, Lab, write_secret};

/// What ssh is started as by libvirt: the lab's configuration instead of the user's.
const SSH_COMMAND: &str = "#!/bin/sh\nexec ssh -F \"${0%/*}/config\" \"$@\"\n";

/// Makes every certificate of the lab: one authority, a client certificate for the machine and, for each host, one that
/// serves both ways, laid out as libvirtd (`tls`) and as QEMU (`tls-qemu`, for encrypted migration) want it.
pub(crate) fn make_certificates(lab: &Lab) -> anyhow::Result<()> {
    let mut authority = CertificateParams::default();
    authority
        .distinguished_name
        .push(DnType::CommonName, format!("Bellwether lab {}", lab.name));
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let ca = authority.as_ref().pem();

    let (certificate, key) = issue(&authority, &lab.management.machine, "machine")?;
    fs::create_dir_all(&lab.tls)?;
    write_all(
        &lab.tls,
        &[
            ("cacert.pem", &ca),
            ("clientcert.pem", &certificate),
            ("clientkey.pem", &key),
        ],
    )?;

    for host in &lab.hosts {
        let (certificate, key) = issue(&authority, &host.address, &host.name)?;
        let libvirtd = lab.host_folder(host).join("etc/tls");
        fs::create_dir_all(&libvirtd)?;
        write_all(
            &libvirtd,
            &[
                ("cacert.pem", &ca),
                ("servercert.pem", &certificate),
                ("serverkey.pem", &key),
            ],
        )?;
        let qemu = lab.host_folder(host).join("etc/tls-qemu");
        fs::create_dir_all(&qemu)?;
        let both = [
            ("ca-cert.pem", &ca),
            ("server-cert.pem", &certificate),
            ("server-key.pem", &key),
        ];
        write_all(&qemu, &both)?;
        write_all(
            &qemu,
            &[("client-cert.pem", &certificate), ("client-key.pem", &key)],
        )?;
    }
    Ok(())
}

fn write_all(folder: &Path, files: &[(&str, &String)]) -> anyhow::Result<()> {
    files
        .iter()
        .try_for_each(|(name, content)| write_secret(&folder.join(name), content))
}

/// A certificate for one address and name, good for serving and for connecting; with its key, both as PEM.
fn issue(
    authority: &CertifiedIssuer<'_, KeyPair>,
    address: &Ipv4Addr,
    name: &str,
) -> anyhow::Result<(String, String)> {
    let mut params = CertificateParams::new(vec![address.to_string(), name.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// Makes the one user key of the lab, each host's host key, and the files that let `ssh` use them without a question.
pub(crate) fn make_ssh(lab: &Lab) -> anyhow::Result<()> {
    fs::create_dir_all(&lab.ssh)?;
    let user_key = lab.ssh.join("id_ed25519");
    let public = make_ssh_key(&user_key)?;

    let mut known = String::new();
    for host in &lab.hosts {
        let folder = lab.host_folder(host).join("ssh");
        fs::create_dir_all(&folder)?;
        let host_key = make_ssh_key(&folder.join("host_key"))?;
        known.push_str(&format!("{},{} {host_key}", host.address, host.name));
    }
    write_secret(&lab.ssh.join("known_hosts"), known)?;
    let config = client_config(&lab.ssh);
    write_secret(&lab.ssh.join("config"), &config)?;
    let command = lab.ssh.join("ssh");
    fs::write(&command, SSH_COMMAND)?;
    fs::set_permissions(&command, fs::Permissions::from_mode(0o755))?;

    for host in &lab.hosts {
        let folder = lab.host_folder(host).join("ssh");
        // Inside a host this is all of /etc/ssh, so a plain `ssh root@host2` works there too.
        write_secret(&folder.join("ssh_config"), &config)?;
        write_secret(&folder.join("authorized_keys"), &public)?;
        write_secret(&folder.join("sshd_config"), server_config(host))?;
    }
    Ok(())
}

fn make_ssh_key(path: &Path) -> anyhow::Result<String> {
    let text = path.to_string_lossy();
    let public = format!("{text}.pub");
    for old in [&*text, &public] {
        match fs::remove_file(old) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot replace {old}"));
            }
            _ => {}
        }
    }
    tool([
        "ssh-keygen",
        "-q",
        "-t",
        "ed25519",
        "-N",
        "",
        "-C",
        "bellwether-lab",
        "-f",
        &text,
    ])
    .run()?;
    fs::read_to_string(&public).with_context(|| format!("cannot read {public}"))
}

fn client_config(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "Host *\n    IdentityFile {folder}/id_ed25519\n    IdentitiesOnly yes\n    UserKnownHostsFile {folder}/known_hosts\n    \
         GlobalKnownHostsFile none\n    StrictHostKeyChecking yes\n    BatchMode yes\n    ConnectTimeout 10\n    \
         ServerAliveInterval 5\n    ServerAliveCountMax 5\n"
    )
}

fn server_config(host: &Host) -> String {
    format!(
        "ListenAddress {}\nPort 22\nHostKey /etc/ssh/host_key\nAuthorizedKeysFile /etc/ssh/authorized_keys\nPidFile /run/sshd.pid\n\
         PermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nUseDNS no\n\
         MaxStartups 100\nPrintMotd no\n",
        host.address
    )
}
