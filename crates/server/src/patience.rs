//! Connections that say nothing, or take nothing of what they are sent, are not waited for.
//!
//! hyper has a deadline for the headers of a request once it knows which HTTP is spoken; [`Impatient`] ends the connection
//! of who does not even let it find out, and of who stops reading.

use std::{
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// What HTTP/2 begins with; while only this was read, the version is not known yet.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection with deadlines of its own.
pub struct Impatient<S> {
    inner: S,
    /// Until when the version of HTTP must be known; none once it is.
    hello: Option<Pin<Box<Sleep>>>,
    /// How much of [`PREFACE`] was read.
    preface: usize,
    /// Since when nothing could be written, with the end of that; kept to be used again.
    stuck: Option<Pin<Box<Sleep>>>,
    is_stuck: bool,
    write: Duration,
}

impl<S> Impatient<S> {
    /// Gives `inner` this long to begin, and this long to take anything of what is written to it.
    pub fn new(inner: S, hello: Duration, write: Duration) -> Self {
        Self {
            inner,
            hello: Some(Box::pin(sleep(hello))),
            preface: 0,
            stuck: None,
            is_stuck: false,
            write,
        }
    }

    /// Notes what was read.
    fn heard(&mut self, bytes: &[u8]) {
        let expected = &PREFACE[self.preface..];
        let more = expected.len().min(bytes.len());
        self.preface += more;
        if bytes[..more] != expected[..more] || self.preface == PREFACE.len() {
            self.hello = None;
        }
    }

    /// Passes what writing said on, until it could not be done for too long.
    fn written<T>(
        &mut self,
        cx: &mut Context<'_>,
        said: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if said.is_ready() {
            self.is_stuck = false;
            return said;
        }
        let until = Instant::now() + self.write;
        let timer = self
            .stuck
            .get_or_insert_with(|| Box::pin(sleep(self.write)));
        if !std::mem::replace(&mut self.is_stuck, true) {
            timer.as_mut().reset(until);
        }
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client takes nothing of what it is sent",
        )))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = pin!(&mut self.inner).poll_read(cx, buffer);
        if self.hello.is_some() && buffer.filled().len() > before {
            self.heard(&buffer.filled()[before..]);
        }
        if read.is_ready() {
            return read;
        }
        if let Some(hello) = &mut self.hello {
            ready!(hello.as_mut().poll(cx));
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the client says nothing",
            )));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let said = pin!(&mut self.inner).poll_write(cx, bytes);
        self.written(cx, said)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let said = pin!(&mut self.inner).poll_write_vectored(cx, bytes);
        self.written(cx, said)
    }
    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let said = pin!(&mut self.inner).poll_flush(cx);
        self.written(cx, said)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let said = pin!(&mut self.inner).poll_shutdown(cx);
        self.written(cx, said)
    }
}
