//! The handshake of QUIC.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use quinn::{Connecting, Connection, ConnectionError};
use tokio::runtime::Handle;

use super::kind::Kind;

/// A handshake. When it is dropped before its end,
///
/// - a plain connection is closed at once, which frees the node's listener;
/// - a handshake by TLS is finished in the background, and closed then: a node that speaks TLS may not survive a failed one.
///   QUIC gives up after half a minute.
pub(super) struct Opening {
    kind: Kind,
    connecting: Option<Connecting>,
}

impl Opening {
    pub fn new(kind: Kind, connecting: Connecting) -> Self {
        Self { kind, connecting: Some(connecting) }
    }
}

impl Future for Opening {
    type Output = Result<Connection, ConnectionError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(connecting) = &mut self.connecting else { return Poll::Ready(Err(ConnectionError::LocallyClosed)) };
        let polled = Pin::new(connecting).poll(context);
        if polled.is_ready() {
            self.connecting = None;
        }
        polled
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        let (Kind::Tls, Some(connecting)) = (self.kind, self.connecting.take()) else { return };
        if let Ok(runtime) = Handle::try_current() {
            // Dropping the connection closes it.
            runtime.spawn(async { drop(connecting.await) });
        }
    }
}
