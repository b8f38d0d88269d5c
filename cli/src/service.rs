//! What runs until it is told to stop: the hub, the daemon, the standalone mode.
//!
//! SIGTERM and Ctrl-C end a service in order, and a second one at once. SIGHUP reads the configuration again: when it is
//! valid the service begins anew with it, on the same socket where its address is the same; when it is not, the service
//! goes on as it was.

use std::{
    collections::BTreeMap,
    net::{self, SocketAddr},
    pin::pin,
};

use anyhow::Context;
use easytier_probe::config::{ConfigErrors, LogFormat};
use easytier_uptime_scheduler::Ending;
use tokio::{
    net::TcpListener,
    runtime,
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};
use tracing_subscriber::EnvFilter;

use crate::{descriptors, exit::Exit, logging, systemd};

/// A service with a validated configuration.
pub trait Service: Sized {
    /// The configuration of this process, `flags` first.
    fn load(flags: BTreeMap<String, String>) -> Result<Self, ConfigErrors>;

    /// Where it serves.
    fn listen(&self) -> SocketAddr;

    fn log(&self) -> (EnvFilter, LogFormat);

    /// Serves on `listener` until it is told how to end. `is_first`: whether it has served before in this process.
    async fn serve(self, listener: TcpListener, is_first: bool, ending: Told) -> anyhow::Result<()>;
}

/// Comes when the service is to end.
pub type Told = oneshot::Receiver<Ending>;

/// Runs the service that `flags` and the rest of the configuration ask for.
pub fn run<S: Service>(flags: BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let service = S::load(flags.clone())?;
    let (filter, format) = service.log();
    let log = logging::start(filter, format);
    descriptors::allow_all();
    let runtime =
        runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the async runtime")?;
    let outcome = runtime.block_on(run_until_stopped(service, flags, &log));
    // Whoever asked twice does not wait for what still runs.
    runtime.shutdown_background();
    outcome
}

async fn run_until_stopped<S: Service>(
    mut service: S,
    flags: BTreeMap<String, String>,
    log: &logging::Filter,
) -> anyhow::Result<Exit> {
    // Before anything is printed, so that a signal that answers it ends the service in order.
    let mut signals = Signals::take_over()?;
    let mut socket = None;
    let mut is_first = true;
    loop {
        let listener = Socket::listen(&mut socket, service.listen())?;
        let (tell, ending) = oneshot::channel();
        let mut serving = pin!(service.serve(listener, is_first, ending));
        let next = loop {
            let signal = tokio::select! {
                ended = &mut serving => return ended.map(|()| Exit::Success),
                signal = signals.next() => signal,
            };
            match signal {
                Request::Stop => break None,
                Request::Reload => match S::load(flags.clone()) {
                    Ok(next) => break Some(next),
                    Err(errors) => tracing::error!("{errors}\nNothing changes"),
                },
            }
        };
        let ending = match &next {
            None => {
                systemd::stopping();
                tracing::info!("stopping when what was accepted is done; a second signal stops at once");
                Ending::Stop
            }
            Some(next) => {
                systemd::reloading();
                tracing::info!("beginning anew with the configuration as it is now");
                log.set(next.log().0);
                Ending::Restart
            }
        };
        // It has ended by itself if it does not hear.
        let _ = tell.send(ending);
        tokio::select! {
            ended = serving => ended?,
            () = signals.stop() => {
                tracing::warn!("stopped at once");
                return Ok(Exit::NotAsExpected);
            }
        }
        match next {
            None => return Ok(Exit::Success),
            Some(next) => service = next,
        }
        is_first = false;
    }
}

/// A socket that outlives the service that listens at it.
struct Socket {
    asked_for: SocketAddr,
    socket: net::TcpListener,
}

impl Socket {
    /// Listens at `address`, which may have port 0.
    fn listen(socket: &mut Option<Self>, address: SocketAddr) -> anyhow::Result<TcpListener> {
        let open = match socket.take().filter(|socket| socket.asked_for == address) {
            Some(open) => open,
            None => {
                let bound = net::TcpListener::bind(address).with_context(|| {
                    format!("cannot listen at {address}; choose another place with SERVER_HOST and SERVER_PORT")
                })?;
                bound.set_nonblocking(true)?;
                Self { asked_for: address, socket: bound }
            }
        };
        let listener = TcpListener::from_std(open.socket.try_clone()?)?;
        *socket = Some(open);
        Ok(listener)
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    Stop,
    Reload,
}

impl Signals {
    fn take_over() -> anyhow::Result<Self> {
        let handler = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            interrupt: handler(SignalKind::interrupt())?,
            terminate: handler(SignalKind::terminate())?,
            hang_up: handler(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Request {
        tokio::select! {
            _ = self.interrupt.recv() => Request::Stop,
            _ = self.terminate.recv() => Request::Stop,
            _ = self.hang_up.recv() => Request::Reload,
        }
    }

    async fn stop(&mut self) {
        while self.next().await != Request::Stop {}
    }
}
