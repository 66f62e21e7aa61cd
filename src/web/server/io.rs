//! The socket under one connection: notes progress, dresses hyper's own refusals, and closes without losing the last answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::progress::{Phase, Progress};
use super::refusal;
use super::target::Target;
use crate::web::audience::Audience;
use crate::web::shell::Shell;

/// How long, and for how many bytes, a closing connection listens for the peer's end. A socket that is closed with unread data
/// in it resets the connection, and the peer may lose the answer that it was about to read.
const LINGER: (Duration, usize) = (Duration::from_secs(1), 1_024 * 1_024);

#[derive(Debug)]
pub(super) struct Io<T> {
    inner: T,
    progress: Arc<Progress>,
    shell: Shell,
    /// The first line of the request's head has come.
    has_line: bool,
    /// What that line asks for.
    target: Target,
    /// What is left to write of the refusal that takes the place of hyper's.
    refusal: Option<Bytes>,
    linger: Option<Linger>,
}

#[derive(Debug)]
struct Linger {
    timer: Pin<Box<Sleep>>,
    bytes: usize,
}

impl<T> Io<T> {
    pub(super) fn new(inner: T, progress: Arc<Progress>, shell: Shell) -> Self {
        Self { inner, progress, shell, has_line: false, target: Target::default(), refusal: None, linger: None }
    }

    fn received(&mut self, bytes: &[u8]) {
        match self.progress.phase() {
            _ if bytes.is_empty() => {}
            Phase::Busy => {}
            Phase::Head => self.read_line(bytes),
            Phase::New | Phase::Idle => {
                (self.has_line, self.target) = (false, Target::default());
                self.read_line(bytes);
                self.progress.received();
            }
        }
    }

    fn read_line(&mut self, bytes: &[u8]) {
        if !self.has_line {
            self.target = self.target.after(bytes, self.shell.audiences().api_path.as_bytes());
            self.has_line = bytes.contains(&b'\n');
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Io<T> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        self.received(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Io<T> {
    /// Whether `bytes` is a refusal of hyper's own, which is then replaced by one that carries what every answer owes.
    fn is_refusal(&mut self, bytes: &[u8]) -> bool {
        if self.refusal.is_none() && self.progress.phase() != Phase::Busy {
            let audience = if self.target == Target::Below { Audience::Program } else { Audience::Client };
            self.refusal = refusal::in_place_of(bytes, self.has_line, audience, &self.shell);
        }
        self.refusal.is_some()
    }

    /// Writes what is left of the refusal, and says then that the `len` bytes of hyper's are written.
    fn poll_refusal(&mut self, context: &mut Context<'_>, len: usize) -> Poll<io::Result<usize>> {
        while let Some(rest) = self.refusal.as_mut().filter(|rest| !rest.is_empty()) {
            let written = ready!(Pin::new(&mut self.inner).poll_write(context, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            rest.advance(written);
        }
        self.refusal = None;
        Poll::Ready(Ok(len))
    }

    /// Reads and drops what the peer still sends, until its end.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let linger = self.linger.get_or_insert_with(|| Linger { timer: Box::pin(tokio::time::sleep(LINGER.0)), bytes: 0 });
        let mut scratch = [0; 4_096];
        while linger.bytes < LINGER.1 {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.inner).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => linger.bytes += buffer.filled().len(),
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return linger.timer.as_mut().poll(context),
            }
        }
        Poll::Ready(())
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Io<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = if self.is_refusal(bytes) {
            self.poll_refusal(context, bytes.len())
        } else {
            Pin::new(&mut self.inner).poll_write(context, bytes)
        };
        self.progress.wrote(written.is_pending());
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.first().map_or(&[][..], |slice| slice);
        let written = if self.is_refusal(first) {
            self.poll_refusal(context, first.len())
        } else {
            Pin::new(&mut self.inner).poll_write_vectored(context, slices)
        };
        self.progress.wrote(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.inner).poll_shutdown(context))?;
        }
        self.poll_linger(context).map(Ok)
    }
}
