//! Hosts: added by libvirt URI, put aside, declared off, removed. What already runs on them is never touched.

mod check;

use crate::{Admin, Engine};
use bellwether_hypervisor::HypervisorError;
use bellwether_model::{
    Error, HostId, MiB, Result,
    host::{Host, HostMode},
    host_uri::{HostUri, SshCommands, Transport},
    observed::HostFacts,
};
use check::{
    check_offered, checked_address, checked_name, checked_peer_uri, checked_site, checked_uri,
    keep, offered_of,
};

/// What an admin gives for a new host.
#[derive(Clone, Debug, Default)]
pub struct NewHost {
    /// Short name.
    pub name: String,
    /// URI by which the server reaches it.
    pub uri: String,
    /// URI by which other hosts reach it; derived from `uri` where that works from anywhere.
    pub peer_uri: Option<String>,
    /// Address for migration traffic.
    pub migration_address: Option<String>,
    /// Site; `default` if not given.
    pub site: Option<String>,
    /// Cores offered; what the host shows if not given.
    pub cores: Option<u32>,
    /// Memory offered, MiB; what the host shows less a reserve if not given.
    pub memory_mib: Option<u64>,
}

/// Changes to a host; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct HostChange {
    /// Short name.
    pub name: Option<String>,
    /// URI by which the server reaches it.
    pub uri: Option<String>,
    /// URI by which other hosts reach it.
    pub peer_uri: Option<String>,
    /// Address for migration traffic; empty for the one the peer URI names.
    pub migration_address: Option<String>,
    /// Site.
    pub site: Option<String>,
    /// Cores offered.
    pub cores: Option<u32>,
    /// Memory offered, MiB.
    pub memory_mib: Option<u64>,
}

/// Something still to be done by hand, with the commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What is missing and why it is needed.
    pub what: String,
    /// Commands, to be run as said in `what`.
    pub commands: Vec<String>,
}

/// A host that was added.
#[derive(Debug)]
pub struct AddedHost {
    /// The record.
    pub host: Host,
    /// What it said of itself.
    pub facts: HostFacts,
    /// What is still missing for migrations between it and the others.
    pub missing: Vec<Advice>,
}

/// Tries a URI: opens a connection, asks the host for its facts, closes.
pub async fn try_connect(engine: &Engine, _admin: &Admin, uri: &str) -> Result<HostFacts> {
    let uri = checked_uri("uri", uri, engine.settings().ssh_commands())
        .map_err(|wrong| Error::invalid_fields(vec![wrong]))?;
    ask_facts(engine, &uri).await
}

/// Opens a connection and asks what is there.
async fn ask_facts(engine: &Engine, uri: &HostUri) -> Result<HostFacts> {
    let asked = async {
        let host = engine.links().try_open(uri.as_str()).await?;
        host.facts().await
    };
    asked.await.map_err(|error| explain(uri, error))
}

/// Adds a host after trying the connection.
pub async fn add(engine: &Engine, admin: &Admin, new: NewHost) -> Result<AddedHost> {
    let commands = engine.settings().ssh_commands();
    let mut wrong = Vec::new();
    let name = keep(checked_name(&new.name), &mut wrong);
    let uri = keep(checked_uri("uri", &new.uri, commands), &mut wrong);
    let peer = uri.as_ref().and_then(|uri| {
        let peer = checked_peer_uri(uri, new.peer_uri.as_deref(), commands);
        keep(peer, &mut wrong)
    });
    let address = keep(
        checked_address(new.migration_address.as_deref()),
        &mut wrong,
    );
    let site = keep(checked_site(new.site.as_deref()), &mut wrong);
    let (Some(name), Some(uri), Some(peer_uri), Some(migration_address), Some(site)) =
        (name, uri, peer, address, site)
    else {
        return Err(Error::invalid_fields(wrong));
    };
    let facts = ask_facts(engine, &uri).await?;
    let host = Host {
        id: HostId::new(),
        name,
        uri: uri.to_string(),
        peer_uri: peer_uri.to_string(),
        migration_address,
        site,
        cores: new.cores.unwrap_or(facts.cores),
        memory: new.memory_mib.map_or_else(|| offered_of(facts.memory), MiB),
        mode: HostMode::Active,
        created_at: engine.now(),
    };
    check_offered(&host, Some(&facts))?;
    let others = engine.store().hosts().await?;
    let missing = advice(&host, &others, commands);
    let mut tx = engine.store().begin().await?;
    tx.insert_host(&host).await?;
    let text = format!(
        "{} with {} cores and {}",
        host.name, host.cores, host.memory
    );
    engine
        .audit(&mut tx, Some(admin), "host.add", "host", host.id, text)
        .await?;
    engine.emit(&mut tx, "host", host.id, None).await?;
    tx.commit().await?;
    changed(engine).await;
    Ok(AddedHost {
        host,
        facts,
        missing,
    })
}

/// Changes what is recorded of a host. A new URI is tried first.
pub async fn update(
    engine: &Engine,
    admin: &Admin,
    id: HostId,
    change: HostChange,
) -> Result<Host> {
    let mut host = engine.store().host(id).await?;
    let before = host.clone();
    let mut wrong = Vec::new();
    if let Some(name) = change
        .name
        .and_then(|name| keep(checked_name(&name), &mut wrong))
    {
        host.name = name;
    }
    let commands = engine.settings().ssh_commands();
    let uri = change.uri.as_deref().unwrap_or(&before.uri);
    let uri = keep(checked_uri("uri", uri, commands), &mut wrong);
    if let Some(uri) = &uri {
        host.uri = uri.to_string();
        let peer = change.peer_uri.as_deref().unwrap_or(&before.peer_uri);
        if let Some(peer) = keep(checked_peer_uri(uri, Some(peer), commands), &mut wrong) {
            host.peer_uri = peer.to_string();
        }
    }
    if let Some(address) = change.migration_address
        && let Some(address) = keep(checked_address(Some(&address)), &mut wrong)
    {
        host.migration_address = address;
    }
    if let Some(site) = change.site
        && let Some(site) = keep(checked_site(Some(&site)), &mut wrong)
    {
        host.site = site;
    }
    host.cores = change.cores.unwrap_or(host.cores);
    host.memory = change.memory_mib.map_or(host.memory, MiB);
    if !wrong.is_empty() {
        return Err(Error::invalid_fields(wrong));
    }
    check_offered(
        &host,
        engine
            .observed()
            .hosts
            .get(&id)
            .and_then(|seen| seen.facts.as_ref()),
    )?;
    if let Some(uri) = uri.filter(|uri| uri.as_str() != before.uri) {
        ask_facts(engine, &uri).await?;
        engine.links().close(id);
    }
    let mut tx = engine.store().begin().await?;
    tx.update_host(&host).await?;
    engine
        .audit(
            &mut tx,
            Some(admin),
            "host.change",
            "host",
            id,
            format!("{}: changed", host.name),
        )
        .await?;
    engine.emit(&mut tx, "host", id, None).await?;
    tx.commit().await?;
    changed(engine).await;
    Ok(host)
}

/// Puts a host aside, back to work, or declares it off. Declaring off says that nothing runs there, which only a person
/// can know: the host must not answer, and its name must be typed.
pub async fn set_mode(
    engine: &Engine,
    admin: &Admin,
    id: HostId,
    mode: HostMode,
    typed_name: Option<&str>,
) -> Result<Host> {
    let mut host = engine.store().host(id).await?;
    if mode == HostMode::DeclaredOff && host.mode != mode {
        if typed_name.map(str::trim) != Some(host.name.as_str()) {
            return Err(Error::field(
                "name",
                format!(
                    "type the host's name, \"{}\", to declare that it is off and runs nothing",
                    host.name
                ),
            ));
        }
        if let Ok(connection) = engine.links().try_open(&host.uri).await
            && connection.power_states().await.is_ok()
        {
            return Err(Error::conflict(format!(
                "{} answers, so it is not off. Put it in maintenance instead.",
                host.name
            )));
        }
    }
    let before = host.mode;
    host.mode = mode;
    let mut tx = engine.store().begin().await?;
    tx.update_host(&host).await?;
    let text = format!("{}: {} → {}", host.name, before.as_str(), mode.as_str());
    engine
        .audit(&mut tx, Some(admin), "host.mode", "host", id, text)
        .await?;
    engine.emit(&mut tx, "host", id, None).await?;
    tx.commit().await?;
    changed(engine).await;
    engine.jobs_wanted().await;
    Ok(host)
}

/// Forgets a host. Refused while VMs of ours are bound to it; libvirt and what runs there stay as they are.
pub async fn remove(engine: &Engine, admin: &Admin, id: HostId) -> Result<()> {
    let host = engine.store().host(id).await?;
    let mut tx = engine.store().begin().await?;
    tx.delete_host(id).await?;
    engine
        .audit(&mut tx, Some(admin), "host.remove", "host", id, host.name)
        .await?;
    engine.emit(&mut tx, "host", id, None).await?;
    tx.commit().await?;
    changed(engine).await;
    Ok(())
}

async fn changed(engine: &Engine) {
    engine.inner.hosts_changed.notify_one();
    engine.inner.fleet_changed.notify_waiters();
    engine.tell().await;
}

/// The reason a connection failed, with what to do about it.
fn explain(uri: &HostUri, error: HypervisorError) -> Error {
    let uri = uri.as_str();
    let hint = match &error {
        HypervisorError::NotLetIn(_) if uri.starts_with("qemu+ssh") => {
            " Let the server's key in with: ssh-copy-id USER@HOST, run as the user bellwetherd runs as; that user on the host must be in the group libvirt."
        }
        HypervisorError::NotLetIn(_) if uri.starts_with("qemu+tls") => {
            " The server needs a client certificate the host trusts: /etc/pki/CA/cacert.pem, /etc/pki/libvirt/clientcert.pem and /etc/pki/libvirt/private/clientkey.pem."
        }
        HypervisorError::NotLetIn(_) => {
            " The user bellwetherd runs as must be in the group libvirt."
        }
        HypervisorError::Unreachable(_)
            if uri.starts_with("qemu+tcp") || uri.starts_with("qemu+tls") =>
        {
            " Is libvirtd listening there, and does a firewall let this machine through (16509 tcp, 16514 tls)?"
        }
        _ => "",
    };
    let mut error = Error::from(error);
    error.message.push_str(hint);
    error
}

/// What must still be done so that `host` and the others can move VMs to each other.
fn advice(host: &Host, others: &[Host], commands: SshCommands) -> Vec<Advice> {
    let mut missing = Vec::new();
    for other in others
        .iter()
        .filter(|other| other.mode != HostMode::DeclaredOff)
    {
        for (from, to) in [(other, host), (host, other)] {
            let Ok(peer) = HostUri::parse(&to.peer_uri, commands) else {
                continue;
            };
            if peer.transport() == Transport::Ssh {
                missing.push(Advice {
                    what: format!(
                        "So that {} can move VMs to {}, run as root on {}:",
                        from.name, to.name, from.name
                    ),
                    commands: vec![
                        copy_key(&peer),
                        format!("virsh -c {} hostname", quoted(peer.as_str())),
                    ],
                });
            }
        }
    }
    missing
}

/// Lets a key in at the host that `uri` names.
fn copy_key(uri: &HostUri) -> String {
    let port = uri
        .port()
        .map_or(String::new(), |port| format!("-p {port} "));
    let user = uri.user().map_or(String::new(), |user| format!("{user}@"));
    format!(
        "ssh-copy-id {port}{}",
        quoted(&format!("{user}{}", uri.host()))
    )
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
mod tests {
    use super::*;
    use bellwether_model::Timestamp;

    fn host(name: &str, peer_uri: &str) -> Host {
        Host {
            id: HostId::new(),
            name: name.into(),
            uri: "qemu:///system".into(),
            peer_uri: peer_uri.into(),
            migration_address: None,
            site: "default".into(),
            cores: 4,
            memory: MiB(4096),
            mode: HostMode::Active,
            created_at: Timestamp(0),
        }
    }

    #[test]
    fn commands_can_be_pasted_into_a_shell() {
        for (uri, expected) in [
            (
                "qemu+ssh://root@h1:2222/system",
                [
                    "ssh-copy-id -p 2222 root@h1",
                    "virsh -c qemu+ssh://root@h1:2222/system hostname",
                ],
            ),
            (
                "qemu+ssh://[fd00::1]/system",
                [
                    "ssh-copy-id fd00::1",
                    "virsh -c 'qemu+ssh://[fd00::1]/system' hostname",
                ],
            ),
            (
                "qemu+ssh://root@h1/system?socket=/s&mode=direct",
                [
                    "ssh-copy-id root@h1",
                    "virsh -c 'qemu+ssh://root@h1/system?socket=/s&mode=direct' hostname",
                ],
            ),
        ] {
            let (new, other) = (host("h1", uri), host("h2", "qemu+tcp://h2/system"));
            let shown = advice(&new, &[other], SshCommands::Refused);
            assert_eq!(shown.len(), 1, "{shown:?}");
            assert_eq!(shown[0].commands, expected);
        }
        // What an earlier version may have let in is never shown for pasting.
        let (new, other) = (
            host("h1", "qemu+ssh://h/system;$(x)"),
            host("h2", "qemu+tcp://h2/system"),
        );
        assert_eq!(advice(&new, &[other], SshCommands::Refused), []);
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
