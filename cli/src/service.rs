//! Runs a service until it is stopped: the hub, the daemon, the standalone mode.
//!
//! SIGTERM and Ctrl-C stop a service when its running work has ended; a second signal stops it at once. SIGHUP reloads the
//! configuration: if it is valid, and its database and address can be used, the service restarts with it in the same process.
//! The socket stays open if the address is the same. Otherwise the service continues unchanged. A service may ask to be started
//! again in the same way.

use std::{
    collections::BTreeMap,
    net::{self, SocketAddr},
    pin::{Pin, pin},
    sync::Arc,
};

use anyhow::Context;
use easytier_uptime_config::ConfigErrors;
use easytier_uptime_scheduler::{Ending, Scheduler};
use tokio::{
    net::TcpListener,
    runtime,
    signal::unix::{Signal, SignalKind, signal},
    sync::{Notify, oneshot},
};

use crate::{
    exit::Exit,
    logging::{Log, LogSettings},
    memory, systemd, telemetry,
};

/// A service with a validated configuration.
pub trait Service: Sized {
    /// Reads the configuration of this process, with `flags` as the highest layer.
    fn load(flags: BTreeMap<String, String>) -> Result<Self, ConfigErrors>;

    /// The address to listen at; its port may be 0.
    fn listen(&self) -> SocketAddr;

    fn log(&self) -> &LogSettings;

    /// What it is called among other processes whose spans and metrics are collected.
    fn name(&self) -> &'static str;

    /// Checks that the database can be opened.
    async fn try_database(&self) -> anyhow::Result<()>;

    /// Whether all threads share one heap, for a small memory at the cost of speed.
    fn shares_one_heap(&self) -> bool {
        false
    }

    /// How the service itself asks to be started again with the same configuration, if it does.
    fn restart(&self) -> Option<Restart<Self>> {
        None
    }

    /// Serves on `listener` until `end_request`. `is_first` is false after a restart in the same process.
    /// Jobs run on `scheduler`, which outlives the restarts.
    async fn serve(
        self,
        listener: TcpListener,
        scheduler: &Scheduler,
        is_first: bool,
        end_request: EndRequest,
    ) -> anyhow::Result<()>;
}

/// A service that asks to be started again, because what it has stored says more than its configuration.
pub struct Restart<S> {
    /// Notified when it asks.
    pub wanted: Arc<Notify>,
    /// The service to start.
    pub service: S,
}

/// Receives how the service has to end.
pub type EndRequest = oneshot::Receiver<Ending>;

/// Runs the service that `flags` and the other layers of the configuration describe.
pub fn run<S: Service>(flags: BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let service = S::load(flags.clone())?;
    // This must precede the first thread, which the runtime starts.
    memory::return_large_blocks();
    if service.shares_one_heap() {
        memory::share_one_heap();
    }
    let runtime =
        runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the async runtime")?;
    let (log, telemetry) = telemetry::start(service.log(), service.name(), runtime.handle())?;
    let outcome = runtime.block_on(async {
        let outcome = run_until_stopped(service, flags, &log).await;
        if !matches!(outcome, Ok(Exit::Unexpected)) {
            telemetry::finish(telemetry).await;
        }
        outcome
    });
    // After a second signal, running tasks are not awaited.
    runtime.shutdown_background();
    outcome
}

async fn run_until_stopped<S: Service>(
    mut service: S,
    flags: BTreeMap<String, String>,
    log: &Log,
) -> anyhow::Result<Exit> {
    // The handlers precede the first line on standard output, because its reader may send a signal at once.
    let mut signals = Signals::handle()?;
    let mut socket = Socket::bind(service.listen())?;
    let scheduler = Scheduler::new();
    let mut is_first = true;
    loop {
        let listener = socket.listener()?;
        let (end_sender, end_request) = oneshot::channel();
        let restart = service.restart();
        let mut serving = pin!(service.serve(listener, &scheduler, is_first, end_request));
        let next: Option<Next<S>> =
            match until_signalled(serving.as_mut(), &flags, &socket, &mut signals, restart).await? {
                SignalOutcome::Ended => return Ok(Exit::Success),
                SignalOutcome::Stop => None,
                SignalOutcome::Restart(next) => Some(next),
            };
        let ending = match &next {
            None => {
                announce_stop();
                Ending::Stop
            }
            Some(next) => {
                systemd::reloading();
                tracing::info!("restarting with the new configuration");
                log.set_filter(next.service.log())?;
                Ending::Restart
            }
        };
        // This fails only if the service has already ended.
        let _ = end_sender.send(ending);
        let Some(next) = until_ended(serving, next, &mut signals).await? else { return Ok(Exit::Unexpected) };
        let Some(next) = next else { return Ok(Exit::Success) };
        socket = match next.socket {
            Some(socket) => socket,
            None => {
                drop(socket);
                Socket::bind(next.service.listen())?
            }
        };
        service = next.service;
        is_first = false;
    }
}

/// What happened while the service was running.
enum SignalOutcome<S> {
    /// The service ended by itself.
    Ended,
    Stop,
    Restart(Next<S>),
}

/// The service after a restart.
struct Next<S> {
    service: S,
    /// `None` if the current socket must be closed before the new one can be opened.
    socket: Option<Socket>,
}

/// Runs the service until it ends, has to stop, or has to restart with a usable configuration.
async fn until_signalled<S: Service>(
    mut serving: Pin<&mut impl Future<Output = anyhow::Result<()>>>,
    flags: &BTreeMap<String, String>,
    socket: &Socket,
    signals: &mut Signals,
    mut restart: Option<Restart<S>>,
) -> anyhow::Result<SignalOutcome<S>> {
    loop {
        let request = tokio::select! {
            ended = &mut serving => return ended.map(|()| SignalOutcome::Ended),
            request = signals.next() => request,
            service = wanted(&mut restart) => {
                return Ok(SignalOutcome::Restart(Next { service, socket: Some(socket.again()?) }));
            }
        };
        match request {
            Request::Stop => return Ok(SignalOutcome::Stop),
            Request::Reload => {
                let next = tokio::select! {
                    ended = &mut serving => return ended.map(|()| SignalOutcome::Ended),
                    next = load_next::<S>(flags, socket) => next,
                };
                match next {
                    Ok(next) => return Ok(SignalOutcome::Restart(next)),
                    Err(error) => tracing::error!("{error:#}\nNothing changes"),
                }
            }
        }
    }
}

/// Waits until the service asks to be started again.
async fn wanted<S>(restart: &mut Option<Restart<S>>) -> S {
    if let Some(asking) = restart {
        asking.wanted.notified().await;
        if let Some(Restart { service, .. }) = restart.take() {
            return service;
        }
    }
    std::future::pending().await
}

/// Waits until the service has ended. A signal cancels the restart, if there is one. Without a restart, a signal stops the
/// process at once: then the result is `None`.
async fn until_ended<S>(
    mut serving: Pin<&mut impl Future<Output = anyhow::Result<()>>>,
    mut next: Option<Next<S>>,
    signals: &mut Signals,
) -> anyhow::Result<Option<Option<Next<S>>>> {
    loop {
        tokio::select! {
            ended = &mut serving => return ended.map(|()| Some(next)),
            () = signals.next_stop() => match next.take() {
                Some(_) => announce_stop(),
                None => {
                    tracing::warn!("stopped at once");
                    return Ok(None);
                }
            },
        }
    }
}

/// Loads the configuration again, and checks that its database and its address can be used.
async fn load_next<S: Service>(flags: &BTreeMap<String, String>, socket: &Socket) -> anyhow::Result<Next<S>> {
    let service = S::load(flags.clone())?;
    service.try_database().await?;
    let socket = socket.at(service.listen())?;
    Ok(Next { service, socket })
}

fn announce_stop() {
    systemd::stopping();
    tracing::info!("stopping when the running work has ended; a second signal stops at once");
}

/// A listening socket that stays open while the service restarts.
struct Socket {
    /// The configured address; its port may be 0.
    address: SocketAddr,
    socket: net::TcpListener,
}

impl Socket {
    fn bind(address: SocketAddr) -> anyhow::Result<Self> {
        let socket = net::TcpListener::bind(address).with_context(|| {
            format!("cannot listen at {address}; choose another address with SERVER_HOST and SERVER_PORT")
        })?;
        socket.set_nonblocking(true)?;
        Ok(Self { address, socket })
    }

    /// A socket at `address`: this one if it has that address. `None` if this one must be closed first, because both have the
    /// same port.
    fn at(&self, address: SocketAddr) -> anyhow::Result<Option<Self>> {
        if self.address == address {
            return self.again().map(Some);
        }
        match Self::bind(address) {
            Err(_) if self.address.port() == address.port() => Ok(None),
            bound => bound.map(Some),
        }
    }

    /// The same socket, which stays open when this one is dropped.
    fn again(&self) -> anyhow::Result<Self> {
        Ok(Self { address: self.address, socket: self.socket.try_clone()? })
    }

    fn listener(&self) -> anyhow::Result<TcpListener> {
        Ok(TcpListener::from_std(self.socket.try_clone()?)?)
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

/// What a signal requests.
#[derive(Debug, Clone, Copy)]
enum Request {
    Stop,
    Reload,
}

impl Signals {
    fn handle() -> anyhow::Result<Self> {
        let handler = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            interrupt: handler(SignalKind::interrupt())?,
            terminate: handler(SignalKind::terminate())?,
            hang_up: handler(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Request {
        tokio::select! {
            () = Self::stop(&mut self.interrupt, &mut self.terminate) => Request::Stop,
            _ = self.hang_up.recv() => Request::Reload,
        }
    }

    /// Waits for a request to stop. A request to reload stays for [`next`](Self::next).
    async fn next_stop(&mut self) {
        Self::stop(&mut self.interrupt, &mut self.terminate).await;
    }

    async fn stop(interrupt: &mut Signal, terminate: &mut Signal) {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}
