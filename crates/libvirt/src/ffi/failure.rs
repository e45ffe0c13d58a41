//! What libvirt says when a call failed.

use super::copied;

/// A failed call, as libvirt reported it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// `VIR_ERR_…`.
    pub code: u32,
    /// Part of libvirt it comes from: `VIR_FROM_…`.
    pub domain: u32,
    /// The system's error number where the failure came from the system (`VIR_ERR_SYSTEM_ERROR`), else 0.
    pub errno: i32,
    /// libvirt's words.
    pub message: String,
}

impl Failure {
    /// The calling thread's last error, which is cleared by this.
    pub fn last() -> Self {
        // SAFETY: returns a pointer to this thread's own error or null; nothing else runs on this thread between
        // reading and copying it.
        unsafe {
            let error = virt_sys::virGetLastError();
            if error.is_null() {
                return Self {
                    code: virt_sys::VIR_ERR_INTERNAL_ERROR,
                    domain: virt_sys::VIR_FROM_NONE,
                    errno: 0,
                    message: "libvirt gave no reason".into(),
                };
            }
            let code = u32::try_from((*error).code).unwrap_or(virt_sys::VIR_ERR_INTERNAL_ERROR);
            let failure = Self {
                code,
                domain: u32::try_from((*error).domain).unwrap_or(virt_sys::VIR_FROM_NONE),
                errno: if code == virt_sys::VIR_ERR_SYSTEM_ERROR {
                    (*error).int1
                } else {
                    0
                },
                message: copied((*error).message),
            };
            virt_sys::virResetLastError();
            failure
        }
    }
    /// An argument that can't be handed to libvirt.
    pub fn argument(what: &str) -> Self {
        Self {
            code: virt_sys::VIR_ERR_INVALID_ARG,
            domain: virt_sys::VIR_FROM_NONE,
            errno: 0,
            message: what.into(),
        }
    }
    /// Whether it is about a connection, ours or one that the daemon opened itself.
    pub fn is_of_transport(&self) -> bool {
        matches!(
            self.domain,
            virt_sys::VIR_FROM_RPC
                | virt_sys::VIR_FROM_SSH
                | virt_sys::VIR_FROM_LIBSSH
                | virt_sys::VIR_FROM_AUTH
                | virt_sys::VIR_FROM_CRYPTO
        )
    }
}
