//! Handles over libvirt's C library: the only unsafe code of the project.
//!
//! Rules kept here, so that nobody outside has to know them:
//! - a handle is never null and is released exactly once, by `Drop`; libvirt's handles are reference-counted and
//!   thread-safe, so they are `Send` and `Sync`;
//! - whatever libvirt allocates (strings, arrays, statistics, typed parameters) is copied and freed in the same function;
//! - the error is read in the same function as the call that failed, because libvirt keeps it per thread;
//! - callbacks copy what they are given into a channel and do nothing else.
#![allow(unsafe_code)]
#![deny(unsafe_op_in_unsafe_fn)]

mod connect;
mod domain;
mod events;
mod failure;
mod library;
mod params;
mod storage;
mod stream;

pub(crate) use connect::Connect;
pub(crate) use domain::{Domain, DomainStats, JobStats};
pub(crate) use events::EventSink;
pub(crate) use failure::Failure;
#[cfg(test)]
pub(crate) use params::Value;
pub(crate) use params::{Params, ParamsBuilder};
pub(crate) use storage::{Pool, Volume, VolumeKind};
pub(crate) use stream::Stream;

use std::ffi::{CStr, CString, c_char};

/// The text as C wants it; a text with a NUL in it can't be said to libvirt at all.
fn c_text(text: &str) -> Result<CString, Failure> {
    CString::new(text).map_err(|_| Failure::argument("a text with a NUL character in it"))
}

/// Copies a text libvirt keeps; empty for null.
///
/// # Safety
/// `text` is null or a NUL-terminated string that lives for the call.
unsafe fn copied(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not null, and NUL-terminated by the contract above.
    unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned()
}

/// Copies a text libvirt allocated for the caller and frees it; the last error where it is null.
///
/// # Safety
/// `text` is null or a string from malloc that nobody else frees.
unsafe fn taken(text: *mut c_char) -> Result<String, Failure> {
    if text.is_null() {
        return Err(Failure::last());
    }
    // SAFETY: not null; a NUL-terminated string from malloc by the contract above, freed once.
    unsafe {
        let copy = copied(text);
        libc::free(text.cast());
        Ok(copy)
    }
}

/// Turns libvirt's "negative means failed" into a result.
fn checked(result: std::ffi::c_int) -> Result<std::ffi::c_int, Failure> {
    if result < 0 {
        Err(Failure::last())
    } else {
        Ok(result)
    }
}

/// Makes a handle type: a non-null pointer, released once.
macro_rules! handle {
    ($(#[$doc:meta])* $name:ident, $raw:ty, $free:path) => {
        $(#[$doc])*
        pub(crate) struct $name(*mut $raw);

        // SAFETY: libvirt's objects are reference-counted with atomic counters and every public function locks what it
        // touches; the library documents handles as usable from any thread.
        unsafe impl Send for $name {}
        // SAFETY: as above.
        unsafe impl Sync for $name {}

        impl $name {
            /// Takes over a reference; the last error where it is null.
            ///
            /// # Safety
            /// `raw` is null or a reference of this kind that the caller owns and gives away.
            #[allow(dead_code)]
            pub(super) unsafe fn own(raw: *mut $raw) -> Result<Self, Failure> {
                if raw.is_null() { Err(Failure::last()) } else { Ok(Self(raw)) }
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: the reference is ours and is given back once.
                unsafe { $free(self.0) };
            }
        }
    };
}
use handle;

/// Takes over an array of handles that libvirt allocated, and frees the array itself.
///
/// # Safety
/// `array` is null or an array from malloc with `count` references, given away with the array.
unsafe fn owned_list<R, H>(
    array: *mut *mut R,
    count: std::ffi::c_int,
    own: unsafe fn(*mut R) -> Result<H, Failure>,
) -> Vec<H> {
    let mut list = Vec::new();
    if array.is_null() {
        return list;
    }
    for at in 0..usize::try_from(count).unwrap_or(0) {
        // SAFETY: `at` is below the count libvirt returned for this array, whose references are ours.
        if let Ok(handle) = unsafe { own(*array.add(at)) } {
            list.push(handle);
        }
    }
    // SAFETY: the array itself is from malloc and ours; its elements were taken over above.
    unsafe { libc::free(array.cast()) };
    list
}
