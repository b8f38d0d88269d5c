//! A stream and its connection.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use quinn::{Connection, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// One bidirectional stream. Dropping it closes the connection.
pub(in crate::check::dial) struct QuicStream {
    send: SendStream,
    receive: RecvStream,
    connection: Connection,
}

impl QuicStream {
    pub(super) fn new(send: SendStream, receive: RecvStream, connection: Connection) -> Self {
        Self { send, receive, connection }
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
        self.connection.close(0u32.into(), b"done");
    }
}
