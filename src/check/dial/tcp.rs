//! Connecting over TCP.

use std::net::SocketAddr;

use tokio::{net::TcpStream, time::Instant};

use super::{error::connect_failure, pace::Paced, within::within};
use crate::{FailureCode, check::stage_failure::StageFailure};

/// A TCP connection to `address`, without Nagle's delay: pings are small and sent one at a time.
pub(super) async fn connect(address: SocketAddr, deadline: Instant) -> Result<Paced<TcpStream>, StageFailure> {
    let late = || {
        let message = format!("no answer from {address}: host down or port filtered");
        StageFailure::at_connect(FailureCode::ConnectTimeout, message)
    };
    let stream = within(deadline, TcpStream::connect(address), late, |error| connect_failure(address, error)).await?;
    tracing::debug!(%address, "connected over TCP");
    // This fails on a connection that is already closing, which the handshake reports better.
    let _ = stream.set_nodelay(true);
    Ok(Paced::new(stream))
}
