//! Events: callbacks that push into a function and do nothing else.

use super::{Failure, checked, connect::Connect};
use bellwether_hypervisor::HostEvent;
use std::{
    ffi::{c_int, c_ulonglong, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
};
use uuid::Uuid;

/// Where events go. Called on the thread `libvirt-events`: must not block and must not call libvirt.
pub(crate) type EventSink = std::sync::Arc<dyn Fn(HostEvent) + Send + Sync>;

/// Hands an event over; a panic must not cross into C.
///
/// # Safety
/// `opaque` is the box given at registration; `domain` is live for the call.
unsafe fn push(
    domain: virt_sys::virDomainPtr,
    opaque: *mut c_void,
    event: impl FnOnce(Uuid) -> HostEvent,
) {
    let mut bytes = [0u8; 16];
    // SAFETY: libvirt writes 16 bytes; the domain is live while the callback runs.
    if unsafe { virt_sys::virDomainGetUUID(domain, bytes.as_mut_ptr()) } < 0 {
        return;
    }
    // SAFETY: `opaque` is the `Box<EventSink>` of the registration, freed by libvirt through `free_sink` only after
    // the last callback.
    let sink = unsafe { &*opaque.cast::<EventSink>() };
    let _ = catch_unwind(AssertUnwindSafe(|| sink(event(Uuid::from_bytes(bytes)))));
}

type RawConnect = virt_sys::virConnectPtr;
type RawDomain = virt_sys::virDomainPtr;

unsafe extern "C" fn lifecycle(
    _connect: RawConnect,
    domain: RawDomain,
    _event: c_int,
    _detail: c_int,
    opaque: *mut c_void,
) -> c_int {
    // SAFETY: libvirt passes a live domain and the opaque of the registration.
    unsafe { push(domain, opaque, HostEvent::Lifecycle) };
    0
}
unsafe extern "C" fn iteration(
    _connect: RawConnect,
    domain: RawDomain,
    number: c_int,
    opaque: *mut c_void,
) {
    let number = u64::try_from(number).unwrap_or(0);
    // SAFETY: as above.
    unsafe {
        push(domain, opaque, |uuid| {
            HostEvent::MigrationIteration(uuid, number)
        })
    };
}
unsafe extern "C" fn job_completed(
    _connect: RawConnect,
    domain: RawDomain,
    _params: virt_sys::virTypedParameterPtr,
    _count: c_int,
    opaque: *mut c_void,
) {
    // SAFETY: as above; the parameters belong to libvirt and are not touched.
    unsafe { push(domain, opaque, HostEvent::JobCompleted) };
}
unsafe extern "C" fn agent(
    _connect: RawConnect,
    domain: RawDomain,
    _state: c_int,
    _reason: c_int,
    opaque: *mut c_void,
) {
    // SAFETY: as above.
    unsafe { push(domain, opaque, HostEvent::Agent) };
}
unsafe extern "C" fn balloon(
    _connect: RawConnect,
    domain: RawDomain,
    _actual: c_ulonglong,
    opaque: *mut c_void,
) {
    // SAFETY: as above.
    unsafe { push(domain, opaque, HostEvent::Balloon) };
}

unsafe extern "C" fn free_sink(opaque: *mut c_void) {
    // SAFETY: the box was leaked at registration and libvirt calls this exactly once.
    drop(unsafe { Box::from_raw(opaque.cast::<EventSink>()) });
}

/// libvirt takes callbacks of every shape through one type and calls each with the shape of its event.
fn generic(shape: *const c_void) -> virt_sys::virConnectDomainEventGenericCallback {
    // SAFETY: a function pointer that libvirt casts back, by the event's number, to the type it was made from; only
    // `register` below makes the pairs of number and function.
    unsafe {
        Some(std::mem::transmute::<
            *const c_void,
            unsafe extern "C" fn(RawConnect, RawDomain, *mut c_void),
        >(shape))
    }
}

/// Registers for the events we care for; returns what to deregister. A driver that lacks one of them is fine.
pub(super) fn register(connect: &Connect, sink: &EventSink) -> Result<Vec<c_int>, Failure> {
    type Lifecycle =
        unsafe extern "C" fn(RawConnect, RawDomain, c_int, c_int, *mut c_void) -> c_int;
    type Iteration = unsafe extern "C" fn(RawConnect, RawDomain, c_int, *mut c_void);
    type Job = unsafe extern "C" fn(
        RawConnect,
        RawDomain,
        virt_sys::virTypedParameterPtr,
        c_int,
        *mut c_void,
    );
    type Agent = unsafe extern "C" fn(RawConnect, RawDomain, c_int, c_int, *mut c_void);
    type Balloon = unsafe extern "C" fn(RawConnect, RawDomain, c_ulonglong, *mut c_void);
    let wanted = [
        (
            virt_sys::VIR_DOMAIN_EVENT_ID_LIFECYCLE,
            lifecycle as Lifecycle as *const c_void,
        ),
        (
            virt_sys::VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION,
            iteration as Iteration as *const c_void,
        ),
        (
            virt_sys::VIR_DOMAIN_EVENT_ID_JOB_COMPLETED,
            job_completed as Job as *const c_void,
        ),
        (
            virt_sys::VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE,
            agent as Agent as *const c_void,
        ),
        (
            virt_sys::VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE,
            balloon as Balloon as *const c_void,
        ),
    ];
    let mut registered = Vec::new();
    let mut trouble = None;
    for (id, shape) in wanted {
        let opaque: *mut c_void = Box::into_raw(Box::new(EventSink::clone(sink))).cast();
        // SAFETY: the connection is live; the callback has the shape of this event; the box is freed by `free_sink`,
        // or below where libvirt did not take it.
        let result = checked(unsafe {
            virt_sys::virConnectDomainEventRegisterAny(
                connect.raw(),
                std::ptr::null_mut(),
                c_int::try_from(id).unwrap_or(-1),
                generic(shape),
                opaque,
                Some(free_sink),
            )
        });
        match result {
            Ok(callback) => registered.push(callback),
            Err(failure) => {
                // SAFETY: libvirt did not take the box, so it is still ours.
                unsafe { free_sink(opaque) };
                trouble = Some(failure);
            }
        }
    }
    match (registered.is_empty(), trouble) {
        (true, Some(failure)) => Err(failure),
        _ => Ok(registered),
    }
}
