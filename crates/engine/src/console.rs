//! Getting at a VM's screen. The password is set on demand, lives for minutes and is stored nowhere: VNC's holds eight
//! characters at most, so it is worth little for long.

use crate::{Actor, Engine, secrets};
use bellwether_model::{Error, Result, Timestamp, VmId};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

/// How long a screen password is good for.
pub const SCREEN_PASSWORD_LIFE: Duration = Duration::from_secs(600);

/// What a VNC viewer needs.
#[derive(Debug)]
pub struct ScreenAccess {
    /// The host's name; its screen listens there.
    pub host: String,
    /// Address on the host.
    pub address: String,
    /// Port.
    pub port: u16,
    /// Password.
    pub password: SecretString,
    /// Until when it is good.
    pub until: Timestamp,
}

/// Sets a new screen password for a few minutes and says where the screen is.
pub async fn screen_password(engine: &Engine, actor: &Actor, id: VmId) -> Result<ScreenAccess> {
    let vm = engine.store().vm(id).await?;
    actor.may_see(vm.owner, "VM")?;
    let record = engine.store().host(vm.host).await?;
    let host = engine.host(vm.host)?;
    let Some((address, port)) = host.screen(id.0).await? else {
        return Err(Error::conflict(
            "The VM is off; it has a screen only while it runs.",
        ));
    };
    let password = secrets::random_password(8)?;
    let until = engine.now().plus(SCREEN_PASSWORD_LIFE);
    host.set_screen_password(id.0, password.expose_secret(), until.seconds())
        .await?;
    let mut tx = engine.store().begin().await?;
    engine
        .audit(
            &mut tx,
            Some(actor),
            "vm.screen",
            "vm",
            id,
            "was given a screen password for ten minutes",
        )
        .await?;
    tx.commit().await?;
    Ok(ScreenAccess {
        host: record.name,
        address,
        port,
        password,
        until,
    })
}
