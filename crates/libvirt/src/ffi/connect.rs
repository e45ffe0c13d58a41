//! A connection to one libvirt daemon.

use super::{
    Domain, DomainStats, EventSink, Failure, Params, Pool, c_text, checked, copied, events, handle,
    library, owned_list, taken,
};
use std::{
    ffi::{CString, c_char, c_int, c_uint, c_ulong, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    sync::Mutex,
    thread,
};
use uuid::Uuid;

/// Seconds between keepalive questions, and how many may go unanswered: a silent daemon is given up after about 20 s.
const KEEPALIVE: (c_int, c_uint) = (5, 3);

/// Called once when the connection is lost, with the reason in words, on the thread `libvirt-events`.
type OnClose = Box<dyn Fn(&'static str) + Send + Sync>;

/// An open connection. Closing it may have to wait for the daemon, so `Drop` does that on a thread of its own.
pub(crate) struct Connect {
    raw: Raw,
    callbacks: Mutex<Vec<c_int>>,
    close_callback: Mutex<bool>,
}

/// The pointer, which goes to the closing thread.
#[derive(Clone, Copy)]
struct Raw(virt_sys::virConnectPtr);
// SAFETY: a libvirt connection may be used from any thread.
unsafe impl Send for Raw {}
// SAFETY: as above.
unsafe impl Sync for Raw {}

handle! {
    /// A libvirt network.
    Network, virt_sys::_virNetwork, virt_sys::virNetworkFree
}
handle! {
    /// A network interface of the host.
    Interface, virt_sys::_virInterface, virt_sys::virInterfaceFree
}

/// What a host says of its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeInfo {
    /// Active CPUs.
    pub cpus: u32,
    /// Memory, KiB.
    pub memory_kib: u64,
}

unsafe extern "C" fn closed(_connect: virt_sys::virConnectPtr, reason: c_int, opaque: *mut c_void) {
    let reason = match u32::try_from(reason).unwrap_or(u32::MAX) {
        virt_sys::VIR_CONNECT_CLOSE_REASON_EOF => "libvirt closed the connection",
        virt_sys::VIR_CONNECT_CLOSE_REASON_KEEPALIVE => "libvirt stopped answering",
        virt_sys::VIR_CONNECT_CLOSE_REASON_CLIENT => "the connection was closed",
        _ => "the connection broke",
    };
    // SAFETY: the box of the registration, freed by libvirt through `free_on_close` after the last callback.
    let on_close = unsafe { &*opaque.cast::<OnClose>() };
    let _ = catch_unwind(AssertUnwindSafe(|| on_close(reason)));
}

unsafe extern "C" fn free_on_close(opaque: *mut c_void) {
    // SAFETY: the box was leaked at registration and libvirt calls this exactly once.
    drop(unsafe { Box::from_raw(opaque.cast::<OnClose>()) });
}

impl Connect {
    /// Opens a connection; may hang for as long as the transport lets it. Never asks anybody for anything: a host that
    /// wants a password is one that does not let us in.
    pub fn open(uri: &str) -> Result<Self, Failure> {
        library::start();
        // A URI is what it says, whatever aliases libvirt.conf has; the test driver knows no flags.
        let flags = if uri.starts_with("test:") {
            0
        } else {
            virt_sys::VIR_CONNECT_NO_ALIASES
        };
        let uri = c_text(uri)?;
        // SAFETY: the URI is a C string that lives for the call; a null auth means that nobody is asked.
        let raw = unsafe { virt_sys::virConnectOpenAuth(uri.as_ptr(), ptr::null_mut(), flags) };
        if raw.is_null() {
            return Err(Failure::last());
        }
        // SAFETY: the connection is live. A driver without keepalive (test:///) answers with an error that is of no consequence.
        unsafe {
            if virt_sys::virConnectSetKeepAlive(raw, KEEPALIVE.0, KEEPALIVE.1) < 0 {
                virt_sys::virResetLastError();
            }
        }
        Ok(Self {
            raw: Raw(raw),
            callbacks: Mutex::default(),
            close_callback: Mutex::new(false),
        })
    }
    pub(super) fn raw(&self) -> virt_sys::virConnectPtr {
        self.raw.0
    }
    /// Sends events to `sink` until the connection goes.
    pub fn send_events(&self, sink: &EventSink) -> Result<(), Failure> {
        let registered = events::register(self, sink)?;
        self.callbacks
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .extend(registered);
        Ok(())
    }
    /// Calls `on_close` when the connection is lost. A driver that can't lose its connection is fine.
    pub fn on_close(&self, on_close: impl Fn(&'static str) + Send + Sync + 'static) {
        let boxed: OnClose = Box::new(on_close);
        let opaque: *mut c_void = Box::into_raw(Box::new(boxed)).cast();
        // SAFETY: the connection is live; the box is freed by `free_on_close`, or here where libvirt did not take it.
        unsafe {
            if virt_sys::virConnectRegisterCloseCallback(
                self.raw(),
                Some(closed),
                opaque,
                Some(free_on_close),
            ) < 0
            {
                virt_sys::virResetLastError();
                free_on_close(opaque);
            } else {
                *self
                    .close_callback
                    .lock()
                    .unwrap_or_else(|poisoned| poisoned.into_inner()) = true;
            }
        }
    }
    /// Whether the socket is still open; asks nobody.
    pub fn is_alive(&self) -> bool {
        // SAFETY: the connection is live.
        let alive = unsafe { virt_sys::virConnectIsAlive(self.raw()) };
        if alive < 0 {
            let _ = Failure::last();
        }
        alive == 1
    }
    /// The host's own name.
    pub fn hostname(&self) -> Result<String, Failure> {
        // SAFETY: the connection is live; the string returned is ours.
        unsafe { taken(virt_sys::virConnectGetHostname(self.raw())) }
    }
    /// Capabilities, as XML.
    pub fn capabilities(&self) -> Result<String, Failure> {
        // SAFETY: as above.
        unsafe { taken(virt_sys::virConnectGetCapabilities(self.raw())) }
    }
    /// What a guest of one kind may have, as XML.
    pub fn domain_capabilities(
        &self,
        arch: &str,
        machine: Option<&str>,
        virt_type: &str,
    ) -> Result<String, Failure> {
        let (arch, virt_type) = (c_text(arch)?, c_text(virt_type)?);
        let machine = machine.map(c_text).transpose()?;
        // SAFETY: all strings live for the call; null means "the default"; the string returned is ours.
        unsafe {
            taken(virt_sys::virConnectGetDomainCapabilities(
                self.raw(),
                ptr::null(),
                arch.as_ptr(),
                machine.as_ref().map_or(ptr::null(), |m| m.as_ptr()),
                virt_type.as_ptr(),
                0,
            ))
        }
    }
    /// What the machine's firmware says of itself, as XML.
    pub fn sysinfo(&self) -> Result<String, Failure> {
        // SAFETY: the connection is live; the string returned is ours.
        unsafe { taken(virt_sys::virConnectGetSysinfo(self.raw(), 0)) }
    }
    /// The daemon's libvirt version as a number: 1,000,000 × major + 1,000 × minor + micro.
    pub fn libvirt_version(&self) -> Result<u64, Failure> {
        let mut version: c_ulong = 0;
        // SAFETY: libvirt writes one number.
        checked(unsafe { virt_sys::virConnectGetLibVersion(self.raw(), &mut version) })?;
        Ok(version)
    }
    /// QEMU's version, as above.
    pub fn hypervisor_version(&self) -> Result<u64, Failure> {
        let mut version: c_ulong = 0;
        // SAFETY: as above.
        checked(unsafe { virt_sys::virConnectGetVersion(self.raw(), &mut version) })?;
        Ok(version)
    }
    /// Size of the host.
    pub fn node_info(&self) -> Result<NodeInfo, Failure> {
        // SAFETY: a struct of integers, for which zeroes are a value; libvirt fills it.
        let info = unsafe {
            let mut info: virt_sys::_virNodeInfo = std::mem::zeroed();
            checked(virt_sys::virNodeGetInfo(self.raw(), &mut info))?;
            info
        };
        Ok(NodeInfo {
            cpus: info.cpus,
            memory_kib: info.memory,
        })
    }
    /// CPU time of the host by kind, nanoseconds.
    pub fn cpu_times(&self) -> Result<Vec<(String, u64)>, Failure> {
        let all = c_int::from(-1i8);
        let mut count: c_int = 0;
        // SAFETY: null asks for the number; the second call writes at most that many structs of integers and bytes.
        unsafe {
            checked(virt_sys::virNodeGetCPUStats(
                self.raw(),
                all,
                ptr::null_mut(),
                &mut count,
                0,
            ))?;
            let mut list: Vec<virt_sys::_virNodeCPUStats> =
                vec![std::mem::zeroed(); usize::try_from(count).unwrap_or(0)];
            checked(virt_sys::virNodeGetCPUStats(
                self.raw(),
                all,
                list.as_mut_ptr(),
                &mut count,
                0,
            ))?;
            list.truncate(usize::try_from(count).unwrap_or(0));
            Ok(list
                .iter()
                .map(|stat| (copied(stat.field.as_ptr()), stat.value))
                .collect())
        }
    }
    /// Memory of the host by kind, KiB.
    pub fn memory_kinds(&self) -> Result<Vec<(String, u64)>, Failure> {
        let all = c_int::from(-1i8);
        let mut count: c_int = 0;
        // SAFETY: as above.
        unsafe {
            checked(virt_sys::virNodeGetMemoryStats(
                self.raw(),
                all,
                ptr::null_mut(),
                &mut count,
                0,
            ))?;
            let mut list: Vec<virt_sys::_virNodeMemoryStats> =
                vec![std::mem::zeroed(); usize::try_from(count).unwrap_or(0)];
            checked(virt_sys::virNodeGetMemoryStats(
                self.raw(),
                all,
                list.as_mut_ptr(),
                &mut count,
                0,
            ))?;
            list.truncate(usize::try_from(count).unwrap_or(0));
            Ok(list
                .iter()
                .map(|stat| (copied(stat.field.as_ptr()), stat.value))
                .collect())
        }
    }
    /// The CPU that all of `cpus` can run, for the default emulator with `virt_type`.
    pub fn baseline_hypervisor_cpu(
        &self,
        arch: &str,
        virt_type: &str,
        cpus: &[String],
    ) -> Result<String, Failure> {
        let (arch, virt_type) = (c_text(arch)?, c_text(virt_type)?);
        let cpus: Vec<CString> = cpus
            .iter()
            .map(|cpu| c_text(cpu))
            .collect::<Result<_, _>>()?;
        let mut pointers: Vec<*const c_char> = cpus.iter().map(|cpu| cpu.as_ptr()).collect();
        // SAFETY: the array holds as many live strings as its count says; the string returned is ours.
        unsafe {
            taken(virt_sys::virConnectBaselineHypervisorCPU(
                self.raw(),
                ptr::null(),
                arch.as_ptr(),
                ptr::null(),
                virt_type.as_ptr(),
                pointers.as_mut_ptr(),
                c_uint::try_from(pointers.len()).unwrap_or(0),
                virt_sys::VIR_CONNECT_BASELINE_CPU_MIGRATABLE,
            ))
        }
    }
    /// Whether the host can run a guest with this CPU; a failure with `VIR_ERR_CPU_INCOMPATIBLE` says what is missing.
    pub fn compare_hypervisor_cpu(
        &self,
        arch: &str,
        virt_type: &str,
        cpu: &str,
    ) -> Result<bool, Failure> {
        let (arch, virt_type, cpu) = (c_text(arch)?, c_text(virt_type)?, c_text(cpu)?);
        // SAFETY: all strings live for the call; null means "the default".
        let result = checked(unsafe {
            virt_sys::virConnectCompareHypervisorCPU(
                self.raw(),
                ptr::null(),
                arch.as_ptr(),
                ptr::null(),
                virt_type.as_ptr(),
                cpu.as_ptr(),
                virt_sys::VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE,
            )
        })?;
        Ok(result != virt_sys::VIR_CPU_COMPARE_INCOMPATIBLE)
    }
    /// Statistics of all domains, in the groups `VIR_DOMAIN_STATS_…`, without waiting for one that is busy.
    pub fn all_domain_stats(&self, groups: c_uint) -> Result<Vec<DomainStats>, Failure> {
        let mut records: *mut virt_sys::virDomainStatsRecordPtr = ptr::null_mut();
        // SAFETY: libvirt allocates the list of records; each is read while the list lives, and all are freed below.
        unsafe {
            let count = checked(virt_sys::virConnectGetAllDomainStats(
                self.raw(),
                groups,
                &mut records,
                virt_sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT,
            ))?;
            let mut stats = Vec::new();
            for at in 0..usize::try_from(count).unwrap_or(0) {
                let record = *records.add(at);
                let mut uuid = [0u8; 16];
                if virt_sys::virDomainGetUUID((*record).dom, uuid.as_mut_ptr()) == 0 {
                    stats.push(DomainStats {
                        uuid: Uuid::from_bytes(uuid),
                        name: copied(virt_sys::virDomainGetName((*record).dom)),
                        params: Params::read((*record).params, (*record).nparams),
                    });
                }
            }
            if !records.is_null() {
                virt_sys::virDomainStatsRecordListFree(records);
            }
            Ok(stats)
        }
    }
    /// Every domain, running or not.
    pub fn domains(&self) -> Result<Vec<Domain>, Failure> {
        let mut list: *mut virt_sys::virDomainPtr = ptr::null_mut();
        // SAFETY: libvirt allocates the array and gives its references away.
        unsafe {
            let count = checked(virt_sys::virConnectListAllDomains(self.raw(), &mut list, 0))?;
            Ok(owned_list(list, count, Domain::own))
        }
    }
    /// The domain with this UUID.
    pub fn domain(&self, uuid: Uuid) -> Result<Domain, Failure> {
        // SAFETY: libvirt reads 16 bytes; the reference returned is ours.
        unsafe {
            Domain::own(virt_sys::virDomainLookupByUUID(
                self.raw(),
                uuid.as_bytes().as_ptr(),
            ))
        }
    }
    /// The domain with this name.
    pub fn domain_named(&self, name: &str) -> Result<Domain, Failure> {
        let name = c_text(name)?;
        // SAFETY: the string lives for the call; the reference returned is ours.
        unsafe { Domain::own(virt_sys::virDomainLookupByName(self.raw(), name.as_ptr())) }
    }
    /// Defines a domain, checked against the schema.
    pub fn define(&self, xml: &str) -> Result<Domain, Failure> {
        let xml = c_text(xml)?;
        // SAFETY: as above.
        unsafe {
            Domain::own(virt_sys::virDomainDefineXMLFlags(
                self.raw(),
                xml.as_ptr(),
                virt_sys::VIR_DOMAIN_DEFINE_VALIDATE,
            ))
        }
    }
    /// Every pool, started or not.
    pub fn pools(&self) -> Result<Vec<Pool>, Failure> {
        let mut list: *mut virt_sys::virStoragePoolPtr = ptr::null_mut();
        // SAFETY: libvirt allocates the array and gives its references away.
        unsafe {
            let count = checked(virt_sys::virConnectListAllStoragePools(
                self.raw(),
                &mut list,
                0,
            ))?;
            Ok(owned_list(list, count, Pool::own))
        }
    }
    /// The pool of this name.
    pub fn pool(&self, name: &str) -> Result<Pool, Failure> {
        let name = c_text(name)?;
        // SAFETY: the string lives for the call; the reference returned is ours.
        unsafe {
            Pool::own(virt_sys::virStoragePoolLookupByName(
                self.raw(),
                name.as_ptr(),
            ))
        }
    }
    /// libvirt networks: name and whether started.
    pub fn networks(&self) -> Result<Vec<(String, bool)>, Failure> {
        let mut list: *mut virt_sys::virNetworkPtr = ptr::null_mut();
        // SAFETY: libvirt allocates the array and gives its references away; a name lives as long as its network.
        unsafe {
            let count = checked(virt_sys::virConnectListAllNetworks(
                self.raw(),
                &mut list,
                0,
            ))?;
            Ok(owned_list(list, count, Network::own)
                .iter()
                .map(|network| {
                    (
                        copied(virt_sys::virNetworkGetName(network.0)),
                        virt_sys::virNetworkIsActive(network.0) == 1,
                    )
                })
                .collect())
        }
    }
    /// The host's own network interfaces: XML and whether up.
    pub fn interfaces(&self) -> Result<Vec<(String, bool)>, Failure> {
        let mut list: *mut virt_sys::virInterfacePtr = ptr::null_mut();
        // SAFETY: as above; the XML returned is ours.
        unsafe {
            let count = checked(virt_sys::virConnectListAllInterfaces(
                self.raw(),
                &mut list,
                0,
            ))?;
            Ok(owned_list(list, count, Interface::own)
                .iter()
                .filter_map(|interface| {
                    let xml = taken(virt_sys::virInterfaceGetXMLDesc(interface.0, 0)).ok()?;
                    Some((xml, virt_sys::virInterfaceIsActive(interface.0) == 1))
                })
                .collect())
        }
    }
}

impl Drop for Connect {
    fn drop(&mut self) {
        let raw = self.raw;
        let callbacks = std::mem::take(
            &mut *self
                .callbacks
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner()),
        );
        let close_callback = *self
            .close_callback
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let close = move || {
            let raw = raw;
            // SAFETY: the reference is ours and this runs once. Callbacks hold references of their own and must go
            // first, or the connection would stay open for ever.
            unsafe {
                for callback in callbacks {
                    virt_sys::virConnectDomainEventDeregisterAny(raw.0, callback);
                }
                if close_callback {
                    virt_sys::virConnectUnregisterCloseCallback(raw.0, Some(closed));
                }
                virt_sys::virConnectClose(raw.0);
                virt_sys::virResetLastError();
            }
        };
        // Without a thread the connection leaks, which is better than hanging whoever dropped it.
        if let Err(error) = thread::Builder::new()
            .name("libvirt-close".into())
            .spawn(close)
        {
            tracing::warn!(%error, "no thread to close a libvirt connection");
        }
    }
}
