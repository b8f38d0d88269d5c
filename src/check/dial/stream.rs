//! Packets over a byte stream (tcp, quic): each with its length before it.

use std::{future::poll_fn, mem::MaybeUninit, pin::Pin, task::ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::LinkError;
use crate::wire::Packet;

/// What one read takes from the socket at most.
const READ_SIZE: usize = 4096;

pub(crate) struct PacketStream<S> {
    stream: S,
    /// Bytes read that make no whole packet yet. Empty, and without memory of its own, while the link is idle: a
    /// daemon holds thousands of these.
    received: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> PacketStream<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, received: BytesMut::new() }
    }

    pub async fn receive(&mut self) -> Result<Packet, LinkError> {
        loop {
            match Packet::decode_from_stream(&mut self.received) {
                Ok(Some(packet)) => {
                    if self.received.is_empty() {
                        self.received = BytesMut::new();
                    }
                    return Ok(packet);
                }
                Ok(None) => self.read().await?,
                Err(_) => return Err(LinkError::NotEasytier("bytes that are no EasyTier packet")),
            }
        }
    }

    /// Reads through the stack, so that a link that waits holds no buffer.
    async fn read(&mut self) -> Result<(), LinkError> {
        let Self { stream, received } = self;
        let count = poll_fn(|context| {
            let mut space = [MaybeUninit::<u8>::uninit(); READ_SIZE];
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
            received.extend_from_slice(buffer.filled());
            std::task::Poll::Ready(std::io::Result::Ok(buffer.filled().len()))
        })
        .await;
        match count {
            Ok(0) | Err(_) => Err(LinkError::Closed),
            Ok(_) => Ok(()),
        }
    }

    pub async fn send(&mut self, packets: &[Packet]) -> Result<(), LinkError> {
        let mut bytes = BytesMut::with_capacity(packets.iter().map(Packet::encoded_stream_len).sum());
        packets.iter().for_each(|packet| packet.encode_to_stream(&mut bytes));
        self.stream.write_all(&bytes).await.map_err(|_| LinkError::Closed)
    }
}
