//! Pools and volumes.

use super::{Failure, Stream, c_text, checked, copied, handle, owned_list, taken};
use std::ffi::c_ulonglong;
use std::ptr;

handle! {
    /// A pool.
    Pool, virt_sys::_virStoragePool, virt_sys::virStoragePoolFree
}
handle! {
    /// A volume.
    Volume, virt_sys::_virStorageVol, virt_sys::virStorageVolFree
}

/// Room in a pool, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolInfo {
    pub capacity: u64,
    pub available: u64,
}

/// What a volume is to QEMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VolumeKind {
    /// A file.
    File,
    /// A block device.
    Block,
    /// Reached over the network by QEMU itself (RBD, iSCSI direct).
    Network,
    /// Something a VM can't use as a disk.
    Other,
}

impl Pool {
    /// Its name.
    pub fn name(&self) -> String {
        // SAFETY: the name lives as long as the pool, which is live.
        unsafe { copied(virt_sys::virStoragePoolGetName(self.0)) }
    }
    /// Its definition as XML.
    pub fn xml(&self) -> Result<String, Failure> {
        // SAFETY: the pool is live; the string returned is ours.
        unsafe { taken(virt_sys::virStoragePoolGetXMLDesc(self.0, 0)) }
    }
    /// Whether it is started.
    pub fn is_active(&self) -> Result<bool, Failure> {
        // SAFETY: the pool is live.
        Ok(checked(unsafe { virt_sys::virStoragePoolIsActive(self.0) })? == 1)
    }
    /// Its room.
    pub fn info(&self) -> Result<PoolInfo, Failure> {
        // SAFETY: a struct of integers, for which zeroes are a value; libvirt fills it.
        let info = unsafe {
            let mut info: virt_sys::_virStoragePoolInfo = std::mem::zeroed();
            checked(virt_sys::virStoragePoolGetInfo(self.0, &mut info))?;
            info
        };
        Ok(PoolInfo {
            capacity: info.capacity,
            available: info.available,
        })
    }
    /// Looks at the storage again.
    pub fn refresh(&self) -> Result<(), Failure> {
        // SAFETY: the pool is live.
        checked(unsafe { virt_sys::virStoragePoolRefresh(self.0, 0) }).map(|_| ())
    }
    /// Every volume libvirt knows of.
    pub fn volumes(&self) -> Result<Vec<Volume>, Failure> {
        let mut list: *mut virt_sys::virStorageVolPtr = ptr::null_mut();
        // SAFETY: libvirt allocates the array and gives its references away.
        unsafe {
            let count = checked(virt_sys::virStoragePoolListAllVolumes(self.0, &mut list, 0))?;
            Ok(owned_list(list, count, Volume::own))
        }
    }
    /// The volume of this name.
    pub fn volume(&self, name: &str) -> Result<Volume, Failure> {
        let name = c_text(name)?;
        // SAFETY: the string lives for the call; the reference returned is ours.
        unsafe { Volume::own(virt_sys::virStorageVolLookupByName(self.0, name.as_ptr())) }
    }
    /// Makes a volume.
    pub fn create_volume(&self, xml: &str) -> Result<Volume, Failure> {
        let xml = c_text(xml)?;
        // SAFETY: as above.
        unsafe { Volume::own(virt_sys::virStorageVolCreateXML(self.0, xml.as_ptr(), 0)) }
    }
}

impl Volume {
    /// Its path or, for storage reached over the network, its name there.
    pub fn path(&self) -> Result<String, Failure> {
        // SAFETY: the volume is live; the string returned is ours.
        unsafe { taken(virt_sys::virStorageVolGetPath(self.0)) }
    }
    /// Its description as XML, looked at anew.
    pub fn xml(&self) -> Result<String, Failure> {
        // SAFETY: as above.
        unsafe { taken(virt_sys::virStorageVolGetXMLDesc(self.0, 0)) }
    }
    /// What it is to QEMU.
    pub fn kind(&self) -> Result<VolumeKind, Failure> {
        // SAFETY: a struct of integers, for which zeroes are a value; libvirt fills it.
        let info = unsafe {
            let mut info: virt_sys::_virStorageVolInfo = std::mem::zeroed();
            checked(virt_sys::virStorageVolGetInfo(self.0, &mut info))?;
            info
        };
        Ok(match u32::try_from(info.type_).unwrap_or(u32::MAX) {
            virt_sys::VIR_STORAGE_VOL_FILE => VolumeKind::File,
            virt_sys::VIR_STORAGE_VOL_BLOCK => VolumeKind::Block,
            virt_sys::VIR_STORAGE_VOL_NETWORK => VolumeKind::Network,
            _ => VolumeKind::Other,
        })
    }
    /// Removes it and what it holds.
    pub fn delete(&self) -> Result<(), Failure> {
        // SAFETY: the volume is live.
        checked(unsafe { virt_sys::virStorageVolDelete(self.0, 0) }).map(|_| ())
    }
    /// Opens `stream` for writing `length` bytes from the start.
    pub fn upload(&self, stream: &mut Stream, length: u64) -> Result<(), Failure> {
        // SAFETY: both are live and of the same connection.
        checked(unsafe {
            virt_sys::virStorageVolUpload(self.0, stream.raw(), 0, c_ulonglong::from(length), 0)
        })?;
        stream.opened();
        Ok(())
    }
    /// Opens `stream` for reading at most `length` bytes from the start.
    pub fn download(&self, stream: &mut Stream, length: u64) -> Result<(), Failure> {
        // SAFETY: as above.
        checked(unsafe {
            virt_sys::virStorageVolDownload(self.0, stream.raw(), 0, c_ulonglong::from(length), 0)
        })?;
        stream.opened();
        Ok(())
    }
}
