//! A daemon that waits for its first configuration: it is served, and checks nothing.

use std::{io, sync::Arc};

use easytier_uptime_monitor::control::Control;
use easytier_uptime_store::{Store, upkeep};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{monitoring::ProbeMonitor, options::DaemonOptions, serving::serve};

/// Serves `monitor` and `control` until `ending`.
pub async fn wait(
    store: Store,
    listener: TcpListener,
    options: DaemonOptions,
    (monitor, control): (Arc<ProbeMonitor>, Option<Control>),
    ending: impl Future,
) -> io::Result<()> {
    let stop = CancellationToken::new();
    tracing::warn!(
        server_id = options.server_id,
        "this probe has no backend, and waits for its first configuration: a hub pushes it to /v1/configs, with CONTROL_TOKEN; \
         nothing is checked until then"
    );
    let end = async {
        ending.await;
        stop.cancel();
    };
    let (served, ..) = tokio::join!(
        serve(&store, listener, monitor, options.metrics_token, control, &stop),
        end,
        upkeep(store.clone(), stop.clone().cancelled_owned()),
    );
    served
}
