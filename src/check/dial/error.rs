//! Errors of connections: why a link ends, and whether the peer or the probe causes a failed connection.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
};

use super::socket;
use crate::{Failure, FailureCode, Stage, check::stage_failure::StageFailure};

/// The number of this error, which is the same on every Unix. A firewall of this machine causes EPERM instead.
const EACCES: i32 = 13;

/// Why a link has ended.
#[derive(Debug)]
pub(in crate::check) enum LinkError {
    /// The other side closed it, or the network did.
    Closed,
    /// What arrived is not an EasyTier packet; the text describes it.
    NotEasytier(&'static str),
}

/// What an error of connecting to `address` means for the peer, or for this probe.
pub(super) fn connect_failure(address: SocketAddr, error: io::Error) -> StageFailure {
    let (code, message) = match error.kind() {
        ErrorKind::ConnectionRefused => (FailureCode::ConnectRefused, "nothing listens on the port".to_owned()),
        ErrorKind::ConnectionReset => (FailureCode::ConnectRefused, "connection reset".to_owned()),
        ErrorKind::TimedOut => (FailureCode::ConnectTimeout, "no answer".to_owned()),
        ErrorKind::HostUnreachable => (FailureCode::Unreachable, "host unreachable".to_owned()),
        ErrorKind::NetworkUnreachable if socket::has_route(address) => {
            (FailureCode::Unreachable, "network unreachable".to_owned())
        }
        ErrorKind::NetworkUnreachable => return StageFailure { stage: Stage::Connect, failure: no_route(address) },
        // A firewall on the way answered, or a route of this machine forbids it.
        ErrorKind::PermissionDenied if error.raw_os_error() == Some(EACCES) && socket::has_route(address) => {
            (FailureCode::Unreachable, "a firewall on the way forbids the connection".to_owned())
        }
        ErrorKind::PermissionDenied => {
            (FailureCode::ProbeUnreachable, "this machine's firewall forbids the connection".to_owned())
        }
        // Mostly a lack of descriptors or ports, which is the probe's own fault.
        _ => (FailureCode::Internal, format!("this probe cannot connect: {error}")),
    };
    StageFailure::at_connect(code, format!("{message} ({address})"))
}

/// The failure of a machine without a route to `address`, which is not the peer's fault; `None` if there is a route.
pub(in crate::check) fn without_route(address: SocketAddr) -> Option<Failure> {
    (!socket::has_route(address)).then(|| no_route(address))
}

fn no_route(address: SocketAddr) -> Failure {
    let family = if address.is_ipv6() { "IPv6" } else { "IPv4" };
    Failure::new(FailureCode::ProbeUnreachable, format!("this probe has no {family} route to it ({address})"))
}
