//! Packets over a byte stream (tcp, quic), each with its length in front.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    net::SocketAddr,
    pin::Pin,
    task::{Poll, ready},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::error::LinkError;
use crate::wire::Packet;

/// The largest read from the socket, in bytes.
const READ_SIZE: usize = 4096;

pub(super) struct PacketStream<S> {
    stream: S,
    /// The other end.
    address: SocketAddr,
    /// The bytes of an incomplete packet. Empty and without allocation while the link is idle: a daemon holds thousands of
    /// links.
    received: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> PacketStream<S> {
    /// A link over `stream`, which leads to `address`.
    pub fn new(stream: S, address: SocketAddr) -> Self {
        Self { stream, address, received: BytesMut::new() }
    }

    pub fn stream(&self) -> &S {
        &self.stream
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
                Err(_) => return Err(LinkError::NotEasytier("bytes that are not an EasyTier packet")),
            }
        }
    }

    /// Reads into a buffer on the stack, so that a waiting link holds none.
    async fn read(&mut self) -> Result<(), LinkError> {
        let Self { stream, address, received } = self;
        let count = poll_fn(|context| {
            let mut space = [MaybeUninit::<u8>::uninit(); READ_SIZE];
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
            received.extend_from_slice(buffer.filled());
            Poll::Ready(io::Result::Ok(buffer.filled().len()))
        })
        .await;
        match count {
            Ok(0) => Err(LinkError::Closed),
            Ok(_) => Ok(()),
            Err(error) => Err(LinkError::of_io(*address, &error)),
        }
    }

    pub async fn send(&mut self, packets: &[Packet]) -> Result<(), LinkError> {
        let mut bytes = BytesMut::with_capacity(packets.iter().map(Packet::encoded_stream_len).sum());
        packets.iter().for_each(|packet| packet.encode_to_stream(&mut bytes));
        self.stream.write_all(&bytes).await.map_err(|error| LinkError::of_io(self.address, &error))
    }
}
