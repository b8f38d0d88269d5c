//! Errors of connections.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
};

use crate::{Failure, Stage, check::stage_failure::StageFailure, io_failure::io_failure};

/// Why a link has ended.
#[derive(Debug)]
pub(in crate::check) enum LinkError {
    /// The other side closed it, or the network did.
    Closed,
    /// What arrived is not an EasyTier packet; the text describes it.
    NotEasytier(&'static str),
    /// Packets can no longer be exchanged, and the other side did not cause that: this machine has lost its route, or its
    /// firewall forbids them.
    Network(Failure),
}

impl LinkError {
    /// Why a link to `address` has ended with `error`.
    pub fn of_io(address: SocketAddr, error: &io::Error) -> Self {
        let closed = matches!(
            error.kind(),
            ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                // The node's machine answers that the port is closed.
                | ErrorKind::ConnectionRefused
                | ErrorKind::BrokenPipe
                | ErrorKind::NotConnected
                | ErrorKind::TimedOut
        );
        // Errors that the system did not report are those of a protocol on the way: TLS, WebSocket, QUIC or WireGuard.
        match error.raw_os_error() {
            Some(_) if !closed => Self::Network(io_failure(address, error)),
            _ => Self::Closed,
        }
    }
}

/// The failure of connecting to `address` with `error`.
pub(super) fn connect_failure(address: SocketAddr, error: io::Error) -> StageFailure {
    StageFailure { stage: Stage::Connect, failure: io_failure(address, &error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FailureCode;

    /// The numbers are those of Linux.
    #[test]
    fn only_the_other_side_is_said_to_have_closed_a_link() {
        let loopback = "127.0.0.1:9".parse().unwrap();
        let of = |error| LinkError::of_io(loopback, &error);
        let (epipe, econnreset, etimedout, econnrefused) = (32, 104, 110, 111);
        for number in [epipe, econnreset, etimedout, econnrefused] {
            let ended = of(io::Error::from_raw_os_error(number));
            assert!(matches!(ended, LinkError::Closed), "{number}: {ended:?}");
        }
        for of_protocol in [ErrorKind::UnexpectedEof, ErrorKind::InvalidData, ErrorKind::Other] {
            assert!(matches!(of(io::Error::new(of_protocol, "any")), LinkError::Closed), "{of_protocol}");
        }

        let (eperm, enobufs, enetunreach) = (1, 105, 101);
        let cases = [
            (eperm, FailureCode::ProbeUnreachable),
            (enobufs, FailureCode::Internal),
            // This machine has a route, so a router on the way has none.
            (enetunreach, FailureCode::Unreachable),
        ];
        for (number, code) in cases {
            let LinkError::Network(failure) = of(io::Error::from_raw_os_error(number)) else {
                panic!("error {number} is no closed link");
            };
            assert_eq!(failure.code, code, "{failure}");
        }
    }
}
