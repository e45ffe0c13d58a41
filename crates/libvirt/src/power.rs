//! Defining and switching VMs.

use crate::{
    ffi::{Domain, Pool, VolumeKind},
    host::{LibvirtHost, QUICK, SLOW, find},
    link::Session,
    stats::power_state,
    trouble::Trouble,
    volumes,
    xml::{
        definition::{self, DiskSource, RbdSource},
        describe, ownership,
        volume::read_pool,
    },
};
use async_trait::async_trait;
use bellwether_hypervisor::{
    DiskDefinition, HypervisorError, Ownership, Power, Result, VmDefinition,
};
use bellwether_model::observed::PowerState;
use uuid::Uuid;

#[async_trait]
impl Power for LibvirtHost {
    async fn define(&self, wanted: &VmDefinition) -> Result<()> {
        let wanted = wanted.clone();
        self.change("defining the VM", SLOW, move |session| {
            define(session, &wanted)
        })
        .await
    }

    async fn power(&self, vm: Uuid) -> Result<Option<PowerState>> {
        self.read("asking for a VM's state", QUICK, move |session| {
            match find(&session.connect, vm)? {
                Some(domain) => match domain.state() {
                    Ok(state) => Ok(Some(power_state(state))),
                    // It went between the two questions.
                    Err(failure) if failure.code == virt_sys::VIR_ERR_NO_DOMAIN => Ok(None),
                    Err(failure) => Err(failure.into()),
                },
                None => Ok(None),
            }
        })
        .await
    }

    async fn start(&self, vm: Uuid) -> Result<()> {
        self.change("starting the VM", SLOW, move |session| {
            let domain = there(session, vm)?;
            unless_already(&domain, domain.start(), |state| {
                state == PowerState::Running
            })
        })
        .await
    }

    async fn resume(&self, vm: Uuid) -> Result<()> {
        self.change("resuming the VM", SLOW, move |session| {
            let domain = there(session, vm)?;
            unless_already(&domain, domain.resume(), |state| {
                state == PowerState::Running
            })
        })
        .await
    }

    async fn ask_shutdown(&self, vm: Uuid) -> Result<()> {
        self.change("asking the VM to shut down", SLOW, move |session| {
            Ok(there(session, vm)?.shutdown()?)
        })
        .await
    }

    async fn force_off(&self, vm: Uuid) -> Result<()> {
        self.change("switching the VM off", SLOW, move |session| {
            let domain = there(session, vm)?;
            unless_already(&domain, domain.destroy(), |state| !state.is_live())
        })
        .await
    }

    async fn reboot(&self, vm: Uuid) -> Result<()> {
        self.change("asking the VM to reboot", SLOW, move |session| {
            Ok(there(session, vm)?.reboot()?)
        })
        .await
    }

    async fn undefine(&self, vm: Uuid) -> Result<()> {
        self.change("removing the VM's definition", SLOW, move |session| {
            undefine(session, vm)
        })
        .await
    }

    async fn set_ownership(&self, vm: Uuid, wanted: &Ownership, description: &str) -> Result<()> {
        let (wanted, description) = (wanted.clone(), description.to_owned());
        self.change("writing whose the VM is", QUICK, move |session| {
            let domain = there(session, vm)?;
            // Nobody's: the element goes, and libvirt is left as it was.
            let element = (wanted != Ownership::default())
                .then(|| ownership::element(&wanted))
                .transpose()?;
            let mut flags = 0;
            if power_state(domain.state()?).is_live() {
                flags |= virt_sys::VIR_DOMAIN_AFFECT_LIVE;
            }
            if domain.is_persistent()? {
                flags |= virt_sys::VIR_DOMAIN_AFFECT_CONFIG;
            }
            let set = domain.set_metadata(
                virt_sys::VIR_DOMAIN_METADATA_ELEMENT,
                element.as_deref(),
                Some((ownership::PREFIX, ownership::NAMESPACE)),
                flags,
            );
            match set {
                Err(failure)
                    if element.is_none()
                        && failure.code == virt_sys::VIR_ERR_NO_DOMAIN_METADATA => {}
                other => other?,
            }
            domain.set_metadata(
                virt_sys::VIR_DOMAIN_METADATA_DESCRIPTION,
                Some(description.as_str()).filter(|text| !text.is_empty()),
                None,
                flags,
            )?;
            Ok(())
        })
        .await
    }
}

/// The domain, which must be there.
pub(crate) fn there(session: &Session, vm: Uuid) -> Result<Domain, Trouble> {
    Ok(find(&session.connect, vm)?.ok_or(HypervisorError::NoSuchVm)?)
}

/// A change of state that is fine when the VM is in that state already.
fn unless_already(
    domain: &Domain,
    result: Result<(), crate::ffi::Failure>,
    already: impl Fn(PowerState) -> bool,
) -> Result<(), Trouble> {
    match result {
        Err(failure) if failure.code == virt_sys::VIR_ERR_OPERATION_INVALID => {
            match domain.state() {
                Ok(state) if already(power_state(state)) => Ok(()),
                _ => Err(failure.into()),
            }
        }
        other => Ok(other?),
    }
}

/// Defines the VM, unless its UUID or name belongs to another one.
fn define(session: &Session, wanted: &VmDefinition) -> Result<(), Trouble> {
    let connect = &session.connect;
    if let Some(domain) = find(connect, wanted.uuid)? {
        let there = describe::read_domain(&domain.xml(virt_sys::VIR_DOMAIN_XML_INACTIVE)?)?;
        // What does not carry our mark, or goes by another name, is somebody else's.
        if there.name != wanted.name || there.ownership.is_none() {
            return Err(HypervisorError::AlreadyThere(format!(
                "another VM with the UUID {} (libvirt name '{}')",
                wanted.uuid,
                bellwether_model::text::shown(&there.name)
            ))
            .into());
        }
    } else if let Ok(domain) = connect.domain_named(&wanted.name) {
        return Err(HypervisorError::AlreadyThere(format!(
            "another VM with the libvirt name '{}' (UUID {})",
            wanted.name,
            domain.uuid()?
        ))
        .into());
    }
    let mut sources = Vec::new();
    for disk in &wanted.disks {
        sources.push(disk_source(session, disk)?);
    }
    let xml = definition::domain_xml(wanted, &sources, session.platform()?)?;
    connect.define(&xml)?;
    Ok(())
}

/// Where a disk's volume lies on this host.
fn disk_source(session: &Session, disk: &DiskDefinition) -> Result<DiskSource, Trouble> {
    let pool: Pool = volumes::pool(&session.connect, &disk.pool)?;
    let volume = volumes::find(&pool, &disk.volume)?
        .ok_or_else(|| HypervisorError::NoSuchVolume(disk.volume.clone()))?;
    Ok(match volume.kind()? {
        VolumeKind::File => DiskSource::File(volume.path()?),
        VolumeKind::Block => DiskSource::Block(volume.path()?),
        VolumeKind::Network => {
            let definition = read_pool(&pool.xml()?)?;
            if definition.kind != "rbd" {
                return Err(Trouble::unsupported(&format!(
                    "disks in pools of the kind '{}'",
                    definition.kind
                )));
            }
            DiskSource::Rbd(RbdSource {
                name: format!("{}/{}", definition.rbd.name, disk.volume),
                ..definition.rbd
            })
        }
        VolumeKind::Other => {
            return Err(Trouble::unsupported(&format!(
                "'{}' is no volume a VM can use as a disk",
                bellwether_model::text::shown(&disk.volume)
            )));
        }
    })
}

fn undefine(session: &Session, vm: Uuid) -> Result<(), Trouble> {
    let Some(domain) = find(&session.connect, vm)? else {
        return Ok(());
    };
    // libvirt would let a running one go on without a definition.
    if power_state(domain.state()?).is_live() {
        return Err(HypervisorError::WrongState("it is running".into()).into());
    }
    let usual = virt_sys::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        | virt_sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        | virt_sys::VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
        | virt_sys::VIR_DOMAIN_UNDEFINE_NVRAM;
    let result = match domain.undefine(usual) {
        // Drivers and older versions that lack one of these.
        Err(failure)
            if matches!(
                failure.code,
                virt_sys::VIR_ERR_INVALID_ARG | virt_sys::VIR_ERR_NO_SUPPORT
            ) =>
        {
            domain.undefine(0)
        }
        other => other,
    };
    match result {
        Err(failure) if failure.code == virt_sys::VIR_ERR_NO_DOMAIN => Ok(()),
        other => Ok(other?),
    }
}
