//! The two kinds of QUIC.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use quinn::{
    ClientConfig, ConnectionError, ConnectionId, TokenStore, TransportConfig, TransportErrorCode,
    crypto::rustls::QuicClientConfig,
};

use crate::{FailureCode, check::stage_failure::StageFailure, wire::PlainClient};

/// How many bytes a node may send before they are read: a few packets.
const RECEIVE_WINDOW: u32 = 64 * 1024;

/// The length of a destination connection id that a server must refuse, in bytes: one less than the shortest.
const SHORT_ID: usize = 7;
/// A lost question is asked again after three times this.
const QUESTION_ROUND_TRIP: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// EasyTier 2.6.0 and later.
    Plain,
    /// Older versions.
    Tls,
}

impl Kind {
    /// How to connect to `address` by this kind.
    pub fn config(self, address: SocketAddr, tls: &Arc<rustls::ClientConfig>) -> Result<ClientConfig, StageFailure> {
        let mut config = self.client(address, tls)?;
        config.transport_config(Arc::new(transport()));
        Ok(config)
    }

    /// How to connect to `address` by this kind so that a server refuses it.
    pub fn question(self, address: SocketAddr, tls: &Arc<rustls::ClientConfig>) -> Result<ClientConfig, StageFailure> {
        let mut config = self.client(address, tls)?;
        let mut transport = transport();
        transport.initial_rtt(QUESTION_ROUND_TRIP);
        config
            .transport_config(Arc::new(transport))
            .initial_dst_cid_provider(Arc::new(|| ConnectionId::new(&rand::random::<[u8; SHORT_ID]>())))
            .token_store(Arc::new(SomeToken));
        Ok(config)
    }

    fn client(self, address: SocketAddr, tls: &Arc<rustls::ClientConfig>) -> Result<ClientConfig, StageFailure> {
        match self {
            Self::Plain => Ok(ClientConfig::new(Arc::new(PlainClient))),
            Self::Tls => match QuicClientConfig::try_from(tls.clone()) {
                Ok(crypto) => Ok(ClientConfig::new(Arc::new(crypto))),
                Err(error) => {
                    let message = format!("this probe cannot open QUIC to {address}: {error}");
                    Err(StageFailure::at_connect(FailureCode::Internal, message))
                }
            },
        }
    }

    /// What it means that a connection of this kind failed with `error`.
    pub fn failure(self, address: SocketAddr, error: &ConnectionError) -> StageFailure {
        let (code, why) = match (error, self) {
            (ConnectionError::VersionMismatch, _) => (
                FailureCode::UnsupportedProtocol,
                "it speaks QUIC, but not version 1; correct the port, or check the node over another protocol"
                    .to_owned(),
            ),
            (ConnectionError::ConnectionClosed(close), _)
                if close.error_code == TransportErrorCode::CONNECTION_REFUSED =>
            {
                (FailureCode::Rejected, "it refuses connections".to_owned())
            }
            // The task of the endpoint has ended; the next connection starts another one.
            (ConnectionError::TransportError(error), _) if error.code == TransportErrorCode::INTERNAL_ERROR => {
                (FailureCode::Internal, format!("this probe failed: {error}"))
            }
            (ConnectionError::CidsExhausted | ConnectionError::LocallyClosed, _) => {
                (FailureCode::Internal, format!("this probe failed: {error}"))
            }
            (ConnectionError::TimedOut, _) => (FailureCode::ConnectTimeout, "no answer".to_owned()),
            (ConnectionError::TransportError(_), Self::Plain) => {
                (FailureCode::NotEasytier, format!("the answer is not that of a node: {error}"))
            }
            (_, Self::Plain) => (FailureCode::Rejected, error.to_string()),
            (_, Self::Tls) => (FailureCode::TlsFailed, error.to_string()),
        };
        StageFailure::at_connect(code, format!("QUIC to {address} failed: {why}"))
    }
}

/// Gives a token to every connection. Without one, the QUIC library of old nodes (quinn-proto 0.11.6 in EasyTier 2.0.3) does
/// not look at the length of the id.
struct SomeToken;

impl TokenStore for SomeToken {
    fn insert(&self, _server: &str, _token: Bytes) {}

    fn take(&self, _server: &str) -> Option<Bytes> {
        Some(Bytes::from_static(b"none"))
    }
}

/// Limits the resources that a server can claim: nodes open no streams, and send no datagrams. What a check sends is small,
/// so larger datagrams than the smallest that QUIC allows are of no use.
fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(0_u32.into())
        .max_concurrent_uni_streams(0_u32.into())
        .stream_receive_window(RECEIVE_WINDOW.into())
        .receive_window(RECEIVE_WINDOW.into())
        .datagram_receive_buffer_size(None)
        .mtu_discovery_config(None);
    transport
}
