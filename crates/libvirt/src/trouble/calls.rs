//! A call on an open connection that failed.

use super::BROKEN;
use crate::ffi::Failure;
use bellwether_hypervisor::HypervisorError;
/// A failed call on an open connection.
pub(crate) fn call_error(operation: &str, failure: &Failure) -> HypervisorError {
    use virt_sys as v;
    let said = || failure.message.clone();
    let has = |words: &str| failure.message.contains(words);
    if matches!(failure.errno, libc::ENOSPC | libc::EDQUOT)
        || has("No space left on device")
        || has("Disk quota exceeded")
    {
        return HypervisorError::NoSpace(said());
    }
    match failure.code {
        v::VIR_ERR_NO_DOMAIN => HypervisorError::NoSuchVm,
        v::VIR_ERR_DOM_EXIST | v::VIR_ERR_STORAGE_VOL_EXIST => {
            HypervisorError::AlreadyThere(quoted(&failure.message).unwrap_or_else(said))
        }
        v::VIR_ERR_NO_STORAGE_POOL => {
            HypervisorError::NoSuchPool(quoted(&failure.message).unwrap_or_else(said))
        }
        v::VIR_ERR_NO_STORAGE_VOL => {
            HypervisorError::NoSuchVolume(quoted(&failure.message).unwrap_or_else(said))
        }
        v::VIR_ERR_XML_ERROR
        | v::VIR_ERR_XML_DETAIL
        | v::VIR_ERR_XML_INVALID_SCHEMA
        | v::VIR_ERR_INVALID_MAC
        | v::VIR_ERR_CONFIG_UNSUPPORTED => HypervisorError::BadDefinition(said()),
        v::VIR_ERR_NO_SUPPORT
        | v::VIR_ERR_ARGUMENT_UNSUPPORTED
        | v::VIR_ERR_OPERATION_UNSUPPORTED => HypervisorError::Unsupported(said()),
        v::VIR_ERR_OPERATION_INVALID => HypervisorError::WrongState(said()),
        v::VIR_ERR_RESOURCE_BUSY | v::VIR_ERR_OPERATION_TIMEOUT => HypervisorError::Busy(said()),
        v::VIR_ERR_OPERATION_ABORTED => HypervisorError::Cancelled,
        v::VIR_ERR_OPERATION_DENIED | v::VIR_ERR_ACCESS_DENIED => HypervisorError::NotLetIn(said()),
        v::VIR_ERR_INVALID_CONN => {
            HypervisorError::Unreachable(format!("the connection broke while {operation}"))
        }
        v::VIR_ERR_RPC | v::VIR_ERR_SYSTEM_ERROR | v::VIR_ERR_INTERNAL_ERROR
            if BROKEN.iter().any(|words| has(words)) =>
        {
            HypervisorError::Unreachable(format!("the connection broke while {operation}"))
        }
        _ => HypervisorError::Failed {
            operation: operation.into(),
            message: said(),
        },
    }
}

/// The first text in single quotes: how libvirt names the thing it speaks of.
fn quoted(message: &str) -> Option<String> {
    let (_, rest) = message.split_once('\'')?;
    let (name, _) = rest.split_once('\'')?;
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trouble::failure;

    #[test]
    fn calls_fail_in_the_engines_words() {
        use HypervisorError as E;
        let op = "asking";
        let failed = |code, message: &str| call_error(op, &failure(code, message));
        assert_eq!(
            failed(virt_sys::VIR_ERR_NO_DOMAIN, "Domain not found"),
            E::NoSuchVm
        );
        assert_eq!(
            failed(
                virt_sys::VIR_ERR_NO_STORAGE_POOL,
                "Storage pool not found: no storage pool with matching name 'p'"
            ),
            E::NoSuchPool("p".into())
        );
        assert_eq!(
            failed(
                virt_sys::VIR_ERR_INTERNAL_ERROR,
                "Child process (qemu-img create) failed: x: No space left on device"
            ),
            E::NoSpace("Child process (qemu-img create) failed: x: No space left on device".into())
        );
        let full = Failure {
            code: virt_sys::VIR_ERR_SYSTEM_ERROR,
            domain: virt_sys::VIR_FROM_STORAGE,
            errno: libc::ENOSPC,
            message: "write".into(),
        };
        assert_eq!(call_error(op, &full), E::NoSpace("write".into()));
        assert_eq!(
            failed(
                virt_sys::VIR_ERR_SYSTEM_ERROR,
                "End of file while reading data: Input/output error"
            ),
            E::Unreachable("the connection broke while asking".into())
        );
        assert_eq!(
            failed(virt_sys::VIR_ERR_OPERATION_ABORTED, "x"),
            E::Cancelled
        );
        assert!(matches!(
            failed(
                virt_sys::VIR_ERR_OPERATION_TIMEOUT,
                "cannot acquire state change lock"
            ),
            E::Busy(_)
        ));
        assert!(failed(9999, "new").leaves_doubt());
    }
}
