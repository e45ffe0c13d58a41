//! Starting the library: once, before the first connection.

use std::{ffi::c_void, sync::Once, thread, time::Duration};

/// libvirt prints every error to standard error unless told otherwise; we read errors where they happen.
unsafe extern "C" fn silent(_data: *mut c_void, _error: virt_sys::virErrorPtr) {}

/// Initialises libvirt and starts the thread `libvirt-events`, which carries keepalive, close notices and events.
/// The event implementation must be registered before the first connection is opened.
pub(super) fn start() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: called once, before any other call into libvirt; `silent` has the type libvirt expects and lives for ever.
        let ready = unsafe {
            virt_sys::virSetErrorFunc(std::ptr::null_mut(), Some(silent));
            virt_sys::virInitialize() == 0 && virt_sys::virEventRegisterDefaultImpl() == 0
        };
        if !ready {
            tracing::error!("libvirt's client library did not initialise; connections will have no keepalive");
            return;
        }
        let spawned = thread::Builder::new()
            .name("libvirt-events".into())
            .spawn(|| {
                loop {
                    // SAFETY: the default implementation was registered above, and only this thread runs it.
                    if unsafe { virt_sys::virEventRunDefaultImpl() } < 0 {
                        thread::sleep(Duration::from_millis(100));
                    }
                }
            });
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread for libvirt's events; connections will have no keepalive");
        }
    });
}
