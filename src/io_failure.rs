//! What an I/O error of reaching an address means, and whose fault it is. Every transport, the resolver and the web client
//! use this one mapping.

use std::{
    io::{self, ErrorKind},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use crate::{Failure, FailureCode};

/// A route or a firewall on the way forbids it. A firewall of this machine causes EPERM instead. The number is the same on
/// every Unix.
const EACCES: i32 = 13;
/// The machine, or this process, has no free file descriptor. The numbers are the same on every Unix.
const NO_DESCRIPTOR: [i32; 2] = [23, 24];

/// The failure of reaching `address`, over TCP or by datagrams, with `error`.
pub(crate) fn io_failure(address: SocketAddr, error: &io::Error) -> Failure {
    let (code, message) = match error.kind() {
        ErrorKind::ConnectionRefused => (FailureCode::ConnectRefused, "nothing listens on the port".to_owned()),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => {
            (FailureCode::ConnectRefused, "connection reset".to_owned())
        }
        ErrorKind::TimedOut => (FailureCode::ConnectTimeout, "no answer".to_owned()),
        // These come from this machine, or from a router on the way.
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable if !has_route(address) => return no_route(address),
        ErrorKind::HostUnreachable => (FailureCode::Unreachable, "host unreachable".to_owned()),
        ErrorKind::NetworkUnreachable => (FailureCode::Unreachable, "network unreachable".to_owned()),
        ErrorKind::PermissionDenied if error.raw_os_error() == Some(EACCES) && has_route(address) => {
            (FailureCode::Unreachable, "a firewall on the way forbids the connection".to_owned())
        }
        ErrorKind::PermissionDenied => {
            (FailureCode::ProbeUnreachable, "this machine's firewall forbids the connection".to_owned())
        }
        _ if has_no_descriptor(error) => (
            FailureCode::Internal,
            "this probe has no free file descriptor; raise the limit of open files or lower CHECK_CONCURRENCY"
                .to_owned(),
        ),
        // Without IPv6 the address family is unknown, or there is no address to connect from.
        _ if !has_route(address) => return no_route(address),
        ErrorKind::AddrNotAvailable | ErrorKind::AddrInUse => {
            (FailureCode::Internal, "this machine has no free local port or address".to_owned())
        }
        _ => (FailureCode::Internal, format!("this probe cannot connect: {error}")),
    };
    Failure::new(code, format!("{message} ({address})"))
}

/// The failure of a machine without a route to `address`, which is not the peer's fault; `None` if there is a route.
pub(crate) fn without_route(address: SocketAddr) -> Option<Failure> {
    (!has_route(address)).then(|| no_route(address))
}

fn no_route(address: SocketAddr) -> Failure {
    let family = if address.is_ipv6() { "IPv6" } else { "IPv4" };
    Failure::new(FailureCode::ProbeUnreachable, format!("this probe has no {family} route to it ({address})"))
}

/// Whether this machine has a route to `address`. Connecting a UDP socket looks for one, and sends nothing.
///
/// Where no socket can be opened for lack of descriptors, ports or memory, nothing is known about routes: then this is true.
fn has_route(address: SocketAddr) -> bool {
    let any_local: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    match UdpSocket::bind(any_local) {
        Ok(socket) => socket.connect(address).is_ok(),
        // Other errors are those of a machine without this address family.
        Err(error) => {
            matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::OutOfMemory) || has_no_descriptor(&error)
        }
    }
}

/// Whether the machine or this process has no free file descriptor.
pub(crate) fn has_no_descriptor(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|number| NO_DESCRIPTOR.contains(&number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Blame;

    #[test]
    fn an_error_is_blamed_on_who_causes_it() {
        let loopback: SocketAddr = "127.0.0.1:9".parse().unwrap();
        let cases = [
            (ErrorKind::ConnectionRefused.into(), FailureCode::ConnectRefused, Blame::Peer),
            (ErrorKind::TimedOut.into(), FailureCode::ConnectTimeout, Blame::Peer),
            // With a route, these come from a router on the way.
            (ErrorKind::HostUnreachable.into(), FailureCode::Unreachable, Blame::Peer),
            (ErrorKind::NetworkUnreachable.into(), FailureCode::Unreachable, Blame::Peer),
            (io::Error::from_raw_os_error(EACCES), FailureCode::Unreachable, Blame::Peer),
            // EPERM is that of a local firewall.
            (io::Error::from_raw_os_error(1), FailureCode::ProbeUnreachable, Blame::Probe),
            (io::Error::from_raw_os_error(23), FailureCode::Internal, Blame::Probe),
            (io::Error::from_raw_os_error(24), FailureCode::Internal, Blame::Probe),
            (ErrorKind::AddrNotAvailable.into(), FailureCode::Internal, Blame::Probe),
            (ErrorKind::AddrInUse.into(), FailureCode::Internal, Blame::Probe),
            (io::Error::other("anything"), FailureCode::Internal, Blame::Probe),
        ];
        for (error, code, blame) in cases {
            let failure = io_failure(loopback, &error);
            assert_eq!((failure.code, failure.blame), (code, blame), "{error:?}: {failure}");
        }
    }
}
