//! The configuration files of one host. Every value in them is a number, an address or a path whose characters
//! [`crate::state::Lab::folder_of`] has checked, so nothing needs quoting.

use crate::state::{Host, Lab};

/// Where the shared pool is, seen from a host.
pub(crate) const SHARED_POOL: &str = "/var/lib/libvirt/shared";

/// Where the local pool is, seen from a host: each host has a private folder there.
pub(crate) const LOCAL_POOL: &str = "/var/lib/libvirt/images";

/// libvirtd: without authentication on a network no guest reaches, with certificates beside it, and a unix socket
/// anybody may open who may enter the folder it is in (its owner, and the group `libvirt`).
pub(crate) fn libvirtd(host: &Host) -> String {
    format!(
        "listen_tcp = 1\nlisten_tls = 1\nlisten_addr = \"{}\"\nauth_tcp = \"none\"\nauth_tls = \"none\"\n\
         auth_unix_ro = \"none\"\nauth_unix_rw = \"none\"\nunix_sock_ro_perms = \"0777\"\nunix_sock_rw_perms = \"0777\"\n\
         host_uuid = \"{}\"\n\
         key_file = \"/etc/libvirt/tls/serverkey.pem\"\ncert_file = \"/etc/libvirt/tls/servercert.pem\"\nca_file = \"/etc/libvirt/tls/cacert.pem\"\n\
         log_outputs = \"3:file:/var/log/libvirt/libvirtd.log\"\n",
        host.address, host.uuid
    )
}

/// libvirt's QEMU driver: no machinery that would need the whole machine, and migrations on the management network.
pub(crate) fn qemu(host: &Host) -> String {
    format!(
        "user = \"root\"\ngroup = \"root\"\nsecurity_driver = \"none\"\ncgroup_controllers = []\nnamespaces = []\nstdio_handler = \"file\"\n\
         shared_filesystems = [ \"{SHARED_POOL}\" ]\n\
         migration_address = \"{address}\"\nmigration_host = \"{address}\"\n\
         migrate_tls_x509_cert_dir = \"/etc/libvirt/tls-qemu\"\nmigrate_tls_x509_verify = 1\n",
        address = host.address
    )
}

/// Every host by name. Without this each look-up waits for a resolver that is not there: 10 s to start a VM.
pub(crate) fn hosts_file(lab: &Lab) -> String {
    let mut text = format!(
        "127.0.0.1 localhost\n{} lab-machine\n",
        lab.management.machine
    );
    for host in &lab.hosts {
        text.push_str(&format!("{} {}\n", host.address, host.name));
    }
    text
}
