//! The sockets that all QUIC connections share.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex, PoisonError},
};

use quinn::{ClientConfig, ConnectError, Connecting, Endpoint, EndpointConfig, TokioRuntime};
use quinn_socket2::{Domain, Protocol, Socket, Type};

use crate::{
    FailureCode,
    check::{dial::error::connect_failure, stage_failure::StageFailure},
};

/// The name for TLS. It is never verified, and the same that nodes use.
const SERVER_NAME: &str = "localhost";

/// One endpoint for each address family. Each is opened for the first connection, and again when its task has ended.
pub(super) struct Endpoints {
    port: u16,
    v4: Mutex<Option<Endpoint>>,
    v6: Mutex<Option<Endpoint>>,
}

impl Endpoints {
    /// Endpoints at the local port `port`, or at any port where that is not free or not given.
    pub fn new(port: Option<u16>) -> Self {
        Self { port: port.unwrap_or_default(), v4: Mutex::default(), v6: Mutex::default() }
    }

    /// Begins a connection to `address`. Dropping the result closes it.
    pub fn connect(&self, address: SocketAddr, config: &ClientConfig) -> Result<Connecting, StageFailure> {
        let family = if address.is_ipv6() { &self.v6 } else { &self.v4 };
        let mut family = family.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(endpoint) = &*family {
            match endpoint.connect_with(config.clone(), address, SERVER_NAME) {
                Err(ConnectError::EndpointStopping) => {
                    tracing::debug!("the QUIC endpoint has ended, and is opened again")
                }
                connecting => return connecting.map_err(|error| internal(address, &error)),
            }
        }
        // The port is free only when the old endpoint is gone.
        *family = None;
        let endpoint = open(address, self.port).map_err(|error| connect_failure(address, error))?;
        let connecting = endpoint.connect_with(config.clone(), address, SERVER_NAME);
        *family = Some(endpoint);
        connecting.map_err(|error| internal(address, &error))
    }

    /// Waits until all connections are closed.
    pub async fn wait_idle(&self) {
        for family in [&self.v4, &self.v6] {
            let endpoint = family.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(endpoint) = endpoint {
                endpoint.wait_idle().await;
            }
        }
    }
}

/// An endpoint for connections to the family of `remote`.
fn open(remote: SocketAddr, port: u16) -> io::Result<Endpoint> {
    let socket = bind(remote, port).or_else(|_| bind(remote, 0))?;
    Endpoint::new(EndpointConfig::default(), None, socket, Arc::new(TokioRuntime))
}

/// A socket of the family of `remote` alone, so that both families can have the same port.
fn bind(remote: SocketAddr, port: u16) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(remote), Type::DGRAM, Some(Protocol::UDP))?;
    let any: IpAddr = match remote {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => {
            socket.set_only_v6(true)?;
            Ipv6Addr::UNSPECIFIED.into()
        }
    };
    socket.bind(&SocketAddr::new(any, port).into())?;
    Ok(socket.into())
}

fn internal(address: SocketAddr, error: &ConnectError) -> StageFailure {
    StageFailure::at_connect(FailureCode::Internal, format!("this probe cannot open QUIC to {address}: {error}"))
}
