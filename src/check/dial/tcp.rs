//! Connecting over TCP, and what a refused connection says.

use std::{
    io::{self, ErrorKind},
    net::{SocketAddr, UdpSocket},
};

use tokio::{net::TcpStream, time::Instant};

use super::{DialError, within};
use crate::{Failure, FailureCode, Stage};

/// The number of this error, the same on every Unix. Of a firewall here the kernel says EPERM.
const EACCES: i32 = 13;

/// A TCP connection to `address`, without Nagle's delay: pings are small and one at a time.
pub(super) async fn connect(address: SocketAddr, deadline: Instant) -> Result<TcpStream, DialError> {
    let stream = within(
        deadline,
        TcpStream::connect(address),
        || DialError::new(FailureCode::ConnectTimeout, format!("no answer from {address}: host down or port filtered")),
        |error| refused(address, error),
    )
    .await?;
    tracing::debug!(%address, "connected over TCP");
    // A connection that cannot take the option is closing already, which the handshake will say better.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// What an error of connecting to `address` says about the peer, or about this probe.
pub(super) fn refused(address: SocketAddr, error: io::Error) -> DialError {
    let (code, words) = match error.kind() {
        ErrorKind::ConnectionRefused => (FailureCode::ConnectRefused, "nothing listens on the port".to_owned()),
        ErrorKind::ConnectionReset => (FailureCode::ConnectRefused, "connection reset".to_owned()),
        ErrorKind::TimedOut => (FailureCode::ConnectTimeout, "no answer".to_owned()),
        ErrorKind::HostUnreachable => (FailureCode::Unreachable, "host unreachable".to_owned()),
        ErrorKind::NetworkUnreachable if has_route(address) => {
            (FailureCode::Unreachable, "network unreachable".to_owned())
        }
        ErrorKind::NetworkUnreachable => return DialError { stage: Stage::Connect, failure: no_route(address) },
        // What a firewall on the way answers, and the kernel says where a route of ours forbids it.
        ErrorKind::PermissionDenied if error.raw_os_error() == Some(EACCES) && has_route(address) => {
            (FailureCode::Unreachable, "a firewall on the way forbids the connection".to_owned())
        }
        ErrorKind::PermissionDenied => {
            (FailureCode::ProbeUnreachable, "this machine's firewall forbids the connection".to_owned())
        }
        // Out of descriptors or ports, above all: the probe's own trouble.
        _ => (FailureCode::Internal, format!("this probe cannot connect: {error}")),
    };
    DialError::new(code, format!("{words} ({address})"))
}

/// That this machine has no route to `address`, if that is so: no fault of who is there.
pub(in crate::check) fn without_route(address: SocketAddr) -> Option<Failure> {
    (!has_route(address)).then(|| no_route(address))
}

fn no_route(address: SocketAddr) -> Failure {
    let family = if address.is_ipv6() { "IPv6" } else { "IPv4" };
    Failure::new(FailureCode::ProbeUnreachable, format!("this probe has no {family} route to it ({address})"))
}

/// Whether this machine has a route to `address`. Connecting a UDP socket looks one up and sends nothing.
fn has_route(address: SocketAddr) -> bool {
    let any = if address.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
    UdpSocket::bind(any).and_then(|socket| socket.connect(address)).is_ok()
}
