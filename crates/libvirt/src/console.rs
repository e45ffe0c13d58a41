//! Getting in.

use crate::{
    host::{LibvirtHost, QUICK},
    power::there,
    xml::{describe, rewrite},
};
use async_trait::async_trait;
use bellwether_hypervisor::{Console, HypervisorError, Result};
use bellwether_model::Timestamp;
use std::net::IpAddr;
use uuid::Uuid;

/// What VNC's password can hold; QEMU would cut the rest off in silence.
const PASSWORD_MOST: usize = 8;

#[async_trait]
impl Console for LibvirtHost {
    async fn addresses(&self, vm: Uuid) -> Result<Vec<IpAddr>> {
        self.read("asking for a VM's addresses", QUICK, move |session| {
            let domain = there(session, vm)?;
            let mut found = Vec::new();
            for source in [
                virt_sys::VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT,
                virt_sys::VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE,
                virt_sys::VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP,
            ] {
                // Each source may be absent: no agent, no libvirt network, not running.
                for address in domain.addresses(source).unwrap_or_default() {
                    if is_worth_showing(address) && !found.contains(&address) {
                        found.push(address);
                    }
                }
            }
            Ok(found)
        })
        .await
    }

    async fn screen(&self, vm: Uuid) -> Result<Option<(String, u16)>> {
        self.read("asking for a VM's screen", QUICK, move |session| {
            describe::screen(&there(session, vm)?.xml(0)?)
        })
        .await
    }

    async fn set_screen_password(&self, vm: Uuid, password: &str, until_s: i64) -> Result<()> {
        let length = password.len();
        if length == 0 || length > PASSWORD_MOST || !password.chars().all(|c| c.is_ascii_graphic())
        {
            return Err(HypervisorError::BadDefinition(format!(
                "a screen password has 1 to {PASSWORD_MOST} printable ASCII characters"
            )));
        }
        // libvirt reads it as UTC and wants no zone.
        let until = Timestamp::from_seconds(until_s).rfc3339();
        let until = until.trim_end_matches('Z').to_owned();
        let password = password.to_owned();
        self.change("setting the screen's password", QUICK, move |session| {
            let domain = there(session, vm)?;
            let screen = rewrite::screen_with_password(&domain.xml(0)?, &password, &until)?
                .ok_or_else(|| HypervisorError::Unsupported("the VM has no VNC screen".into()))?;
            Ok(domain.update_device_live(&screen)?)
        })
        .await
    }
}

/// Not the guest talking to itself.
fn is_worth_showing(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_loopback() && (v6.segments()[0] & 0xffc0) != 0xfe80,
    }
}
