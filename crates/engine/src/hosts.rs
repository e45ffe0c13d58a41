//! Hosts: added by libvirt URI, put aside, declared off, removed. What already runs on them is never touched.

mod check;
mod missing;

pub use bellwether_decide::connect::Advice;
pub use missing::{missing, unreached};

use crate::{Admin, Engine, links::is_the_same};
use bellwether_decide::host as judge;
use bellwether_hypervisor::HypervisorError;
use bellwether_model::{
    Error, HostId, MiB, Result,
    host::{Host, HostMode},
    host_uri::HostUri,
    observed::HostFacts,
    plan::PlanKind,
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
    /// URI by which other hosts reach it; `None` follows `uri` where it came of that.
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
    asked.await.map_err(|error| missing::explain(uri, error))
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
        machine: facts.machine,
        created_at: engine.now(),
    };
    check_offered(&host, Some(&facts))?;
    let mut tx = engine.store().begin().await?;
    judge::may_be(&host, facts.machine, &tx.hosts().await?, 0)?;
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
    let missing = missing(engine, &host).await?;
    Ok(AddedHost {
        host,
        facts,
        missing,
    })
}

/// Changes what is recorded of a host. A new URI is tried first, and must lead to the same machine while VMs are bound to it.
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
        // The one that came of the old address goes with it.
        let derived = checked_uri("uri", &before.uri, commands)
            .and_then(|old| checked_peer_uri(&old, None, commands))
            .is_ok_and(|peer| peer.as_str() == before.peer_uri);
        let kept = (!derived).then_some(&before.peer_uri);
        let peer = change.peer_uri.as_ref().or(kept).map(String::as_str);
        if let Some(peer) = keep(checked_peer_uri(uri, peer, commands), &mut wrong) {
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
    let moved = match uri.filter(|uri| uri.as_str() != before.uri) {
        Some(uri) => Some(ask_facts(engine, &uri).await?),
        None => None,
    };
    let mut tx = engine.store().begin().await?;
    if tx.host(id).await? != before {
        return Err(Error::conflict(format!(
            "{} was changed by somebody else meanwhile; look at it again.",
            before.name
        )));
    }
    if let Some(facts) = &moved {
        let bound = tx.host_ties(id).await?.vms.len();
        judge::may_be(&before, facts.machine, &tx.hosts().await?, bound)?;
        host.machine = facts.machine.or(before.machine);
    }
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
    if moved.is_some() {
        engine.links().close(id);
    }
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
    let host = engine.store().host(id).await?;
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
            && !is_another(&host, connection.facts().await)
        {
            return Err(Error::conflict(format!(
                "{} answers, so it is not off. Put it in maintenance instead.",
                host.name
            )));
        }
    }
    let emptied = engine.store().running_plans().await?;
    if mode == HostMode::Active
        && emptied
            .iter()
            .any(|plan| plan.host == id && plan.kind == PlanKind::Drain)
    {
        return Err(Error::conflict(format!(
            "{} is being emptied; cancel that plan first.",
            host.name
        )));
    }
    let mut tx = engine.store().begin().await?;
    let mut host = tx.host(id).await?;
    let before = std::mem::replace(&mut host.mode, mode);
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

/// Whether it is known to be another machine that answered.
fn is_another(host: &Host, said: Result<HostFacts, HypervisorError>) -> bool {
    said.is_ok_and(|facts| is_the_same(host, &facts).is_err())
}

/// Forgets a host. Refused with each reason while anything of ours hangs on it; libvirt and what runs there stay as they are.
pub async fn remove(engine: &Engine, admin: &Admin, id: HostId) -> Result<()> {
    let mut tx = engine.store().begin().await?;
    let host = tx.host(id).await?;
    judge::may_forget(&host, &tx.host_ties(id).await?)?;
    tx.delete_host(id).await?;
    engine
        .audit(&mut tx, Some(admin), "host.remove", "host", id, host.name)
        .await?;
    engine.emit(&mut tx, "host", id, None).await?;
    tx.commit().await?;
    engine.links().close(id);
    changed(engine).await;
    Ok(())
}

pub(crate) async fn changed(engine: &Engine) {
    engine.inner.hosts_changed.notify_one();
    engine.inner.fleet_changed.notify_waiters();
    engine.tell().await;
}
