//! A stream and its connection.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use quinn::{Connection, ConnectionError, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::kind::Kind;

/// With this code and this reason, both sides close a connection that they no longer need (`tunnel/quic.rs` in EasyTier).
const CLOSE_CODE: u32 = 0;
const CLOSE_REASON: &[u8] = b"done";

/// One bidirectional stream. Dropping it closes the connection.
pub(in crate::check::dial) struct QuicStream {
    send: SendStream,
    receive: RecvStream,
    connection: Connection,
    kind: Kind,
}

impl QuicStream {
    pub(super) fn new(send: SendStream, receive: RecvStream, connection: Connection, kind: Kind) -> Self {
        Self { send, receive, connection, kind }
    }

    /// Whether a node of 2.6 or later has closed the connection.
    pub fn is_closed_by_current_node(&self) -> bool {
        let Some(ConnectionError::ApplicationClosed(close)) = self.connection.close_reason() else { return false };
        self.kind == Kind::Plain && close.error_code == CLOSE_CODE.into() && close.reason == CLOSE_REASON
    }
}

impl AsyncRead for QuicStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        AsyncRead::poll_read(Pin::new(&mut self.receive), context, buffer)
    }
}

impl AsyncWrite for QuicStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.send), context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.send), context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_shutdown(Pin::new(&mut self.send), context)
    }
}

impl Drop for QuicStream {
    fn drop(&mut self) {
        self.connection.close(CLOSE_CODE.into(), CLOSE_REASON);
    }
}
