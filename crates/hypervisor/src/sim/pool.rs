//! Pools and volumes of the simulation. A shared pool is one [`Store`] that several hosts refer to.

use crate::{HypervisorError, Result, VolumeSeen, VolumeSpec};
use std::collections::BTreeMap;

/// Bytes from the start of a volume that are kept, so that markers, seeds and headers can be read back.
const KEPT: usize = 1 << 20;
/// What an empty qcow2 file takes.
const EMPTY_QCOW2: u64 = 196_616;

/// What holds volumes; one for each local pool, one for all members of a shared one.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pub path: String,
    pub kind: &'static str,
    pub capacity: u64,
    pub volumes: BTreeMap<String, Volume>,
}

#[derive(Clone, Debug)]
pub(super) struct Volume {
    pub capacity: u64,
    pub format: String,
    pub backing: Option<(String, String)>,
    /// Length of the file.
    pub length: u64,
    pub allocation: u64,
    pub head: Vec<u8>,
    pub digest: u64,
}

/// FNV-1a over everything written: tells whether an upload arrived whole.
#[derive(Clone, Copy, Debug)]
pub struct Digest(pub u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> u64 {
        let mut digest = Self::default();
        digest.write(bytes);
        digest.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl Store {
    pub fn available(&self) -> u64 {
        let used: u64 = self.volumes.values().map(|v| v.allocation).sum();
        self.capacity.saturating_sub(used)
    }

    pub fn path_of(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    pub fn seen(&self, name: &str) -> Option<VolumeSeen> {
        self.volumes.get(name).map(|volume| VolumeSeen {
            name: name.into(),
            path: self.path_of(name),
            capacity: volume.capacity,
            allocation: volume.allocation,
            format: Some(volume.format.clone()),
            backing: volume.backing.as_ref().map(|(name, _)| self.path_of(name)),
        })
    }

    /// Makes a volume; an identical one is fine.
    pub fn create(&mut self, spec: &VolumeSpec) -> Result<()> {
        check_name(&spec.name)?;
        check_format(&spec.format)?;
        if let Some((backing, format)) = &spec.backing {
            check_format(format)?;
            if !self.volumes.contains_key(backing) {
                return Err(HypervisorError::NoSuchVolume(backing.clone()));
            }
            if spec.format != "qcow2" {
                return Err(HypervisorError::BadDefinition(format!(
                    "a {} volume can't be an overlay; only qcow2 can",
                    spec.format
                )));
            }
        }
        if let Some(there) = self.volumes.get(&spec.name) {
            let same = there.capacity == spec.capacity
                && there.format == spec.format
                && there.backing == spec.backing;
            return if same {
                Ok(())
            } else {
                Err(HypervisorError::AlreadyThere(format!(
                    "a different volume '{}'",
                    spec.name
                )))
            };
        }
        let (length, head) = match spec.format.as_str() {
            "qcow2" => (EMPTY_QCOW2, qcow2_header(spec.capacity)),
            _ => (spec.capacity, Vec::new()),
        };
        let allocation = if spec.format == "qcow2" { length } else { 0 };
        self.reserve(allocation.max(1))?;
        self.volumes.insert(
            spec.name.clone(),
            Volume {
                capacity: spec.capacity,
                format: spec.format.clone(),
                backing: spec.backing.clone(),
                length,
                allocation,
                digest: Digest::of(&head),
                head,
            },
        );
        Ok(())
    }

    fn reserve(&self, bytes: u64) -> Result<()> {
        let free = self.available();
        if free < bytes {
            return Err(HypervisorError::NoSpace(format!(
                "the pool at {} has {free} bytes free, {bytes} are needed",
                self.path
            )));
        }
        Ok(())
    }

    /// Begins an upload: an empty volume in place of whatever had the name.
    pub fn begin_upload(&mut self, name: &str, format: &str, length: u64) -> Result<()> {
        check_name(name)?;
        check_format(format)?;
        self.volumes.remove(name);
        self.reserve(length.max(1))?;
        self.volumes.insert(
            name.into(),
            Volume {
                capacity: length,
                format: format.into(),
                backing: None,
                length: 0,
                allocation: 0,
                head: Vec::new(),
                digest: Digest::default().0,
            },
        );
        Ok(())
    }

    /// Appends to an upload.
    pub fn append(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let available = self.available();
        let Some(volume) = self.volumes.get_mut(name) else {
            return Err(HypervisorError::NoSuchVolume(name.into()));
        };
        if available < bytes.len() as u64 {
            return Err(HypervisorError::NoSpace(format!(
                "the pool at {} is full",
                self.path
            )));
        }
        let room = KEPT.saturating_sub(volume.head.len()).min(bytes.len());
        volume.head.extend_from_slice(&bytes[..room]);
        let mut digest = Digest(volume.digest);
        digest.write(bytes);
        volume.digest = digest.0;
        volume.length += bytes.len() as u64;
        volume.allocation = volume.length;
        if volume.format == "qcow2"
            && let Some(size) = qcow2_size(&volume.head)
        {
            volume.capacity = size;
        }
        Ok(())
    }

    /// The first `most` bytes of the file.
    pub fn read(&self, name: &str, most: usize) -> Result<Vec<u8>> {
        let volume = self
            .volumes
            .get(name)
            .ok_or_else(|| HypervisorError::NoSuchVolume(name.into()))?;
        let length = most.min(usize::try_from(volume.length).unwrap_or(usize::MAX));
        let mut bytes = volume.head[..length.min(volume.head.len())].to_vec();
        bytes.resize(length, 0);
        Ok(bytes)
    }
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty()
        || name.starts_with('.')
        || name.contains(|c: char| c == '/' || c.is_control())
    {
        return Err(HypervisorError::BadDefinition(format!(
            "'{}' can't be a volume's name",
            bellwether_model::text::shown(name)
        )));
    }
    Ok(())
}

fn check_format(format: &str) -> Result<()> {
    match format {
        "qcow2" | "raw" => Ok(()),
        other => Err(HypervisorError::BadDefinition(format!(
            "'{other}' is no format of a volume; they are: qcow2, raw"
        ))),
    }
}

/// The start of a qcow2 file: magic, version 3, and the size the guest sees at byte 24.
fn qcow2_header(capacity: u64) -> Vec<u8> {
    let mut head = b"QFI\xfb\0\0\0\x03".to_vec();
    head.resize(24, 0);
    head.extend_from_slice(&capacity.to_be_bytes());
    head
}

fn qcow2_size(head: &[u8]) -> Option<u64> {
    if !head.starts_with(b"QFI\xfb") {
        return None;
    }
    let size: [u8; 8] = head.get(24..32)?.try_into().ok()?;
    Some(u64::from_be_bytes(size))
}
