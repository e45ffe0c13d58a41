//! Domains: libvirt's word for VMs.

use super::{Failure, Params, ParamsBuilder, c_text, checked, copied, handle, taken};
use std::{
    ffi::{c_int, c_uint},
    net::IpAddr,
    ptr,
};
use uuid::Uuid;

handle! {
    /// A domain.
    Domain, virt_sys::_virDomain, virt_sys::virDomainFree
}

/// One domain's statistics.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DomainStats {
    pub uuid: Uuid,
    pub name: String,
    pub params: Params,
}

/// A job of a domain.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JobStats {
    /// `VIR_DOMAIN_JOB_…`: none, bounded, completed, failed, …
    pub kind: u32,
    pub params: Params,
}

impl Domain {
    pub fn uuid(&self) -> Result<Uuid, Failure> {
        let mut bytes = [0u8; 16];
        // SAFETY: libvirt writes 16 bytes.
        checked(unsafe { virt_sys::virDomainGetUUID(self.0, bytes.as_mut_ptr()) })?;
        Ok(Uuid::from_bytes(bytes))
    }
    /// State (`VIR_DOMAIN_…`) as the daemon knows it now.
    pub fn state(&self) -> Result<u32, Failure> {
        Ok(self.state_and_reason()?.0)
    }
    /// Whether it waits at the target of a migration for its guest. Until that is there most questions about it, even for
    /// its definition, are not answered: they wait for the migration's end.
    pub fn is_arriving(&self) -> Result<bool, Failure> {
        let arriving = (
            virt_sys::VIR_DOMAIN_PAUSED,
            virt_sys::VIR_DOMAIN_PAUSED_MIGRATION,
        );
        Ok(self.state_and_reason()? == arriving)
    }
    fn state_and_reason(&self) -> Result<(u32, u32), Failure> {
        let (mut state, mut reason): (c_int, c_int) = (0, 0);
        // SAFETY: libvirt writes two numbers.
        checked(unsafe { virt_sys::virDomainGetState(self.0, &mut state, &mut reason, 0) })?;
        let number = |number: c_int| u32::try_from(number).unwrap_or(0);
        Ok((number(state), number(reason)))
    }
    /// The definition as XML; flags `VIR_DOMAIN_XML_…`.
    pub fn xml(&self, flags: c_uint) -> Result<String, Failure> {
        // SAFETY: the domain is live; the string returned is ours.
        unsafe { taken(virt_sys::virDomainGetXMLDesc(self.0, flags)) }
    }
    /// Whether libvirt starts it with the host.
    pub fn autostart(&self) -> Result<bool, Failure> {
        let mut autostart: c_int = 0;
        // SAFETY: libvirt writes one number.
        checked(unsafe { virt_sys::virDomainGetAutostart(self.0, &mut autostart) })?;
        Ok(autostart != 0)
    }
    /// Whether it has snapshots.
    pub fn has_snapshots(&self) -> Result<bool, Failure> {
        // SAFETY: the domain is live.
        Ok(checked(unsafe { virt_sys::virDomainSnapshotNum(self.0, 0) })? > 0)
    }
    /// Whether its definition outlives its run.
    pub fn is_persistent(&self) -> Result<bool, Failure> {
        // SAFETY: the domain is live.
        Ok(checked(unsafe { virt_sys::virDomainIsPersistent(self.0) })? == 1)
    }
    pub fn start(&self) -> Result<(), Failure> {
        // SAFETY: the domain is live.
        checked(unsafe { virt_sys::virDomainCreate(self.0) }).map(|_| ())
    }
    pub fn resume(&self) -> Result<(), Failure> {
        // SAFETY: the domain is live.
        checked(unsafe { virt_sys::virDomainResume(self.0) }).map(|_| ())
    }
    pub fn shutdown(&self) -> Result<(), Failure> {
        // SAFETY: the domain is live; flags 0 let libvirt choose agent or power button.
        checked(unsafe { virt_sys::virDomainShutdownFlags(self.0, 0) }).map(|_| ())
    }
    pub fn destroy(&self) -> Result<(), Failure> {
        // SAFETY: the domain is live.
        checked(unsafe { virt_sys::virDomainDestroy(self.0) }).map(|_| ())
    }
    pub fn reboot(&self) -> Result<(), Failure> {
        // SAFETY: as for shutdown.
        checked(unsafe { virt_sys::virDomainReboot(self.0, 0) }).map(|_| ())
    }
    /// Removes the definition; flags `VIR_DOMAIN_UNDEFINE_…`.
    pub fn undefine(&self, flags: c_uint) -> Result<(), Failure> {
        // SAFETY: the domain is live.
        checked(unsafe { virt_sys::virDomainUndefineFlags(self.0, flags) }).map(|_| ())
    }
    /// Sets or removes a piece of metadata (`VIR_DOMAIN_METADATA_…`); for an element, `key` is its prefix and `uri` its
    /// namespace.
    pub fn set_metadata(
        &self,
        kind: u32,
        metadata: Option<&str>,
        element: Option<(&str, &str)>,
        flags: c_uint,
    ) -> Result<(), Failure> {
        let metadata = metadata.map(c_text).transpose()?;
        let element = element
            .map(|(key, uri)| Ok::<_, Failure>((c_text(key)?, c_text(uri)?)))
            .transpose()?;
        // SAFETY: all strings live for the call; null metadata removes the piece.
        checked(unsafe {
            virt_sys::virDomainSetMetadata(
                self.0,
                c_int::try_from(kind).unwrap_or(-1),
                metadata.as_ref().map_or(ptr::null(), |m| m.as_ptr()),
                element
                    .as_ref()
                    .map_or(ptr::null(), |(key, _)| key.as_ptr()),
                element
                    .as_ref()
                    .map_or(ptr::null(), |(_, uri)| uri.as_ptr()),
                flags,
            )
        })
        .map(|_| ())
    }
    /// Changes a device of the running domain.
    pub fn update_device_live(&self, xml: &str) -> Result<(), Failure> {
        let xml = c_text(xml)?;
        // SAFETY: the string lives for the call.
        checked(unsafe {
            virt_sys::virDomainUpdateDeviceFlags(
                self.0,
                xml.as_ptr(),
                virt_sys::VIR_DOMAIN_DEVICE_MODIFY_LIVE,
            )
        })
        .map(|_| ())
    }
    /// The running job (flags 0) or the last completed one (`VIR_DOMAIN_JOB_STATS_COMPLETED`).
    pub fn job_stats(&self, flags: c_uint) -> Result<JobStats, Failure> {
        let (mut kind, mut count): (c_int, c_int) = (0, 0);
        let mut list: virt_sys::virTypedParameterPtr = ptr::null_mut();
        // SAFETY: libvirt allocates the list (or leaves null where there is no job); it is copied and freed here.
        unsafe {
            checked(virt_sys::virDomainGetJobStats(
                self.0, &mut kind, &mut list, &mut count, flags,
            ))?;
            let params = Params::read(list, count);
            virt_sys::virTypedParamsFree(list, count);
            Ok(JobStats {
                kind: u32::try_from(kind).unwrap_or(0),
                params,
            })
        }
    }
    /// Has the emulator measure for so many seconds how much memory is written, by looking at some of its pages twice.
    pub fn start_dirty_rate(&self, seconds: u32) -> Result<(), Failure> {
        let seconds = c_int::try_from(seconds).unwrap_or(c_int::MAX);
        // SAFETY: the domain is live.
        checked(unsafe {
            virt_sys::virDomainStartDirtyRateCalc(
                self.0,
                seconds,
                virt_sys::VIR_DOMAIN_DIRTYRATE_MODE_PAGE_SAMPLING,
            )
        })
        .map(|_| ())
    }
    /// Statistics of this domain alone, in the groups `VIR_DOMAIN_STATS_…`.
    pub fn stats(&self, groups: c_uint) -> Result<Params, Failure> {
        let mut domains = [self.0, ptr::null_mut()];
        let mut records: *mut virt_sys::virDomainStatsRecordPtr = ptr::null_mut();
        // SAFETY: the list of domains ends in null and lives for the call; libvirt allocates the records, which are read
        // while they live and freed once.
        unsafe {
            let count = checked(virt_sys::virDomainListGetStats(
                domains.as_mut_ptr(),
                groups,
                &mut records,
                0,
            ))?;
            let params = match count {
                0 => Params::default(),
                _ => Params::read((**records).params, (**records).nparams),
            };
            if !records.is_null() {
                virt_sys::virDomainStatsRecordListFree(records);
            }
            Ok(params)
        }
    }
    /// How long the guest of a migration may be stopped for, milliseconds.
    pub fn set_max_downtime(&self, milliseconds: u32) -> Result<(), Failure> {
        // SAFETY: the domain is live.
        checked(unsafe { virt_sys::virDomainMigrateSetMaxDowntime(self.0, milliseconds.into(), 0) })
            .map(|_| ())
    }
    /// How much of the link a migration may take, MiB a second.
    pub fn set_max_speed(&self, mib: u64) -> Result<(), Failure> {
        let mib = std::ffi::c_ulong::try_from(mib).unwrap_or(std::ffi::c_ulong::MAX);
        // SAFETY: the domain is live.
        checked(unsafe { virt_sys::virDomainMigrateSetMaxSpeed(self.0, mib, 0) }).map(|_| ())
    }
    /// Switches a migration begun with `VIR_MIGRATE_POSTCOPY` to post-copy.
    pub fn start_post_copy(&self) -> Result<(), Failure> {
        // SAFETY: the domain is live.
        checked(unsafe { virt_sys::virDomainMigrateStartPostCopy(self.0, 0) }).map(|_| ())
    }
    /// Cancels the running job.
    pub fn abort_job(&self) -> Result<(), Failure> {
        // SAFETY: the domain is live.
        checked(unsafe { virt_sys::virDomainAbortJob(self.0) }).map(|_| ())
    }
    /// Moves it, peer to peer; comes back when it is over.
    pub fn migrate(
        &self,
        peer_uri: &str,
        params: &ParamsBuilder,
        flags: c_uint,
    ) -> Result<(), Failure> {
        let peer_uri = c_text(peer_uri)?;
        let (list, count) = params.raw();
        // SAFETY: the URI and the list live for the call; libvirt copies what it keeps.
        checked(unsafe {
            virt_sys::virDomainMigrateToURI3(self.0, peer_uri.as_ptr(), list, count, flags)
        })
        .map(|_| ())
    }
    /// Addresses from one source (`VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_…`).
    pub fn addresses(&self, source: u32) -> Result<Vec<IpAddr>, Failure> {
        let mut list: *mut virt_sys::virDomainInterfacePtr = ptr::null_mut();
        let mut found = Vec::new();
        // SAFETY: libvirt allocates the array of interfaces; each is read while it lives, freed once, then the array.
        unsafe {
            let count = checked(virt_sys::virDomainInterfaceAddresses(
                self.0, &mut list, source, 0,
            ))?;
            for at in 0..usize::try_from(count).unwrap_or(0) {
                let interface = *list.add(at);
                for number in 0..usize::try_from((*interface).naddrs).unwrap_or(0) {
                    let address = copied((*(*interface).addrs.add(number)).addr);
                    found.extend(address.parse::<IpAddr>().ok());
                }
                virt_sys::virDomainInterfaceFree(interface);
            }
            libc::free(list.cast());
        }
        Ok(found)
    }
}
