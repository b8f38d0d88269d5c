//! The HTTP server of a daemon.

use std::{io, sync::Arc, time::Duration};

use easytier_probe::Secret;
use easytier_uptime_monitor::control::Control;
use easytier_uptime_store::Store;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::monitoring::ProbeMonitor;

/// How long HTTP requests in flight may take when the daemon ends.
const GRACE: Duration = Duration::from_secs(2);

/// Serves the monitoring API, and the routes with which a hub controls the daemon, until `stop`.
pub async fn serve(
    store: &Store,
    listener: TcpListener,
    monitor: Arc<ProbeMonitor>,
    metrics_token: Option<Secret>,
    control: Option<Control>,
    stop: &CancellationToken,
) -> io::Result<()> {
    let router = easytier_uptime_monitor::router(store.clone(), monitor as _, metrics_token, control);
    easytier_uptime_monitor::serve(listener, router, stop.clone().cancelled_owned(), GRACE).await
}
