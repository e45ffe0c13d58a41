//! What is still to be done by hand so that a host is reached and VMs move to and from it.

use crate::Engine;
use bellwether_decide::connect::{self, Advice};
use bellwether_hypervisor::HypervisorError;
use bellwether_model::{Error, Result, host::Host, host_uri::HostUri};

/// What is still to be done by hand, until the connection has been proven: so that the server reaches the host, and that it
/// and each other host can move VMs to one another.
pub async fn missing(engine: &Engine, host: &Host) -> Result<Vec<Advice>> {
    let records = engine.store().records().await?;
    let proven = engine.store().proven_ways(host.id).await?;
    let ways = connect::to_move(
        host,
        &records.hosts,
        |from, to| proven.contains(&(from.id, to.id)),
        engine.settings().ssh_commands(),
    );
    Ok(unreached(engine, host).into_iter().chain(ways).collect())
}

/// What is to be done so that the server reaches the host, if it does not.
pub fn unreached(engine: &Engine, host: &Host) -> Option<Advice> {
    let why = engine.observed().hosts.get(&host.id)?.why?;
    let uri = HostUri::parse(&host.uri, engine.settings().ssh_commands()).ok()?;
    connect::to_reach(&uri, why)
}

/// The reason a connection failed, with what to do about it.
pub(super) fn explain(uri: &HostUri, error: HypervisorError) -> Error {
    let advice = match &error {
        HypervisorError::NoConnection { why, .. } => connect::to_reach(uri, *why),
        _ => None,
    };
    let mut error = Error::from(error);
    if let Some(Advice { what, commands }) = advice {
        error.message.push_str(&format!(" {what}"));
        if !commands.is_empty() {
            error.message.push_str(&format!(" {}", commands.join("; ")));
        }
    }
    error
}
