//! Connections that can be broken at once, or in the middle of an answer's body.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The end of an answer's head.
const BLANK_LINE: &[u8] = b"\r\n\r\n";

/// A handle that breaks a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Line(Arc<Mutex<Allowance>>);

/// The bytes that may still be written.
#[derive(Clone, Copy, Debug, Default)]
enum Allowance {
    #[default]
    Everything,
    /// The head of the next answer, and this many bytes of its body.
    HeadAnd(usize),
    Bytes(usize),
}

impl Line {
    /// Lets no more bytes out.
    pub(super) fn break_now(&self) {
        *self.allowance() = Allowance::Bytes(0);
    }

    /// Lets the head of the next answer out, and this many bytes of its body.
    pub(super) fn break_after_head_and(&self, bytes: usize) {
        *self.allowance() = Allowance::HeadAnd(bytes);
    }

    fn allowance(&self) -> MutexGuard<'_, Allowance> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Allowance {
    /// The number of these bytes that may be written.
    fn of(self, bytes: &[u8]) -> usize {
        match self {
            Self::Everything => bytes.len(),
            Self::Bytes(left) => left.min(bytes.len()),
            Self::HeadAnd(left) => match head(bytes) {
                Some(head) => head.saturating_add(left).min(bytes.len()),
                None => bytes.len(),
            },
        }
    }

    /// The allowance that is left after these bytes were written.
    fn after(self, written: &[u8]) -> Self {
        match self {
            Self::Everything => self,
            Self::Bytes(left) => Self::Bytes(left.saturating_sub(written.len())),
            Self::HeadAnd(left) => match head(written) {
                Some(head) => Self::Bytes(left.saturating_sub(written.len() - head)),
                None => self,
            },
        }
    }
}

/// The length of the head at the start of these bytes. A head is always written at once.
fn head(bytes: &[u8]) -> Option<usize> {
    let mut windows = bytes.windows(BLANK_LINE.len());
    Some(windows.position(|window| window == BLANK_LINE)? + BLANK_LINE.len())
}

/// A connection that its [`Line`] can break.
#[derive(Debug)]
pub(super) struct Breakable {
    stream: TcpStream,
    line: Line,
}

impl Breakable {
    pub(super) fn new(stream: TcpStream, line: Line) -> Self {
        // Small answers must not wait until earlier ones are acknowledged.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        Self { stream, line }
    }
}

impl AsyncRead for Breakable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Breakable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let allowance = *self.line.allowance();
        let allowed = bytes.get(..allowance.of(bytes)).unwrap_or(bytes);
        if allowed.is_empty() && !bytes.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let written = std::task::ready!(Pin::new(&mut self.stream).poll_write(context, allowed))?;
        let written_bytes = allowed.get(..written).unwrap_or(allowed);
        *self.line.allowance() = allowance.after(written_bytes);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
