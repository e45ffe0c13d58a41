//! Streams of bytes to and from volumes.

use super::{Connect, Failure, checked, handle};

handle! {
    /// A stream; what is not finished is aborted when it goes.
    RawStream, virt_sys::_virStream, virt_sys::virStreamFree
}

/// A blocking stream.
pub(crate) struct Stream {
    raw: RawStream,
    open: bool,
}

impl Stream {
    /// A new stream on a connection.
    pub fn new(connect: &Connect) -> Result<Self, Failure> {
        // SAFETY: the connection is live; flags 0 make the stream blocking; the reference returned is ours.
        let raw = unsafe { RawStream::own(virt_sys::virStreamNew(connect.raw(), 0))? };
        Ok(Self { raw, open: false })
    }
    pub(super) fn raw(&self) -> virt_sys::virStreamPtr {
        self.raw.0
    }
    pub(super) fn opened(&mut self) {
        self.open = true;
    }
    /// Sends all of `bytes`.
    pub fn send(&self, mut bytes: &[u8]) -> Result<(), Failure> {
        while !bytes.is_empty() {
            // SAFETY: the slice lives for the call and its length is passed with it.
            let sent = checked(unsafe {
                virt_sys::virStreamSend(self.raw.0, bytes.as_ptr().cast(), bytes.len())
            })?;
            let sent = usize::try_from(sent).unwrap_or(0).min(bytes.len());
            bytes = &bytes[sent..];
        }
        Ok(())
    }
    /// Receives into `room`; 0 at the end.
    pub fn receive(&self, room: &mut [u8]) -> Result<usize, Failure> {
        // SAFETY: libvirt writes at most `room.len()` bytes into the slice.
        let got = checked(unsafe {
            virt_sys::virStreamRecv(self.raw.0, room.as_mut_ptr().cast(), room.len())
        })?;
        Ok(usize::try_from(got).unwrap_or(0).min(room.len()))
    }
    /// Ends the stream and learns whether the other side took everything.
    pub fn finish(mut self) -> Result<(), Failure> {
        self.open = false;
        // SAFETY: the stream is live.
        checked(unsafe { virt_sys::virStreamFinish(self.raw.0) }).map(|_| ())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.open {
            // SAFETY: the stream is live; aborting an open stream tells the other side that the rest will not come.
            unsafe { virt_sys::virStreamAbort(self.raw.0) };
        }
    }
}
