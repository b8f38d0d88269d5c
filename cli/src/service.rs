//! What runs until it is told to stop: the hub, the daemon, the standalone mode.
//!
//! SIGTERM and Ctrl-C end a service in order, and a second one at once. SIGHUP reads the configuration again: when it is
//! valid, and the database and the address that it names can be had, the service begins anew with it, on the same socket
//! where its address is the same; else the service goes on as it was.

use std::{
    collections::BTreeMap,
    net::{self, SocketAddr},
    pin::pin,
};

use anyhow::Context;
use easytier_probe::config::ConfigErrors;
use easytier_uptime_scheduler::{Ending, Scheduler};
use tokio::{
    net::TcpListener,
    runtime,
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

use crate::{
    exit::Exit,
    hub::{config::HubConfig, database},
    logging::{self, Log, LogSettings},
    memory, systemd,
};

/// A service with a validated configuration.
pub trait Service: Sized {
    /// The configuration of this process, `flags` first.
    fn load(flags: BTreeMap<String, String>) -> Result<Self, ConfigErrors>;

    /// Where it serves.
    fn listen(&self) -> SocketAddr;

    fn log(&self) -> &LogSettings;

    /// Where its database is, and how it is kept.
    fn database(&self) -> &HubConfig;

    /// Whether its threads share one heap, because it is to be small rather than fast.
    fn has_one_heap(&self) -> bool {
        false
    }

    /// Serves on `listener` until it is told how to end. `is_first`: whether nothing has served before it in this process.
    /// Its jobs run on `scheduler`, which the process has one of.
    async fn serve(
        self,
        listener: TcpListener,
        scheduler: &Scheduler,
        is_first: bool,
        ending: Told,
    ) -> anyhow::Result<()>;
}

/// Comes when the service is to end.
pub type Told = oneshot::Receiver<Ending>;

/// Runs the service that `flags` and the rest of the configuration ask for.
pub fn run<S: Service>(flags: BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let service = S::load(flags.clone())?;
    let log = logging::start(service.log());
    // The runtime has the first threads.
    if service.has_one_heap() {
        memory::keep_together();
    }
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
    log: &Log,
) -> anyhow::Result<Exit> {
    // Before anything is printed, so that a signal that answers it ends the service in order.
    let mut signals = Signals::take_over()?;
    let mut socket = Socket::bind(service.listen())?;
    let scheduler = Scheduler::new();
    let mut is_first = true;
    loop {
        let listener = socket.listener()?;
        let (tell, ending) = oneshot::channel();
        let mut serving = pin!(service.serve(listener, &scheduler, is_first, ending));
        let next = loop {
            let signal = tokio::select! {
                ended = &mut serving => return ended.map(|()| Exit::Success),
                signal = signals.next() => signal,
            };
            match signal {
                Request::Stop => break None,
                Request::Reload => {
                    let next = tokio::select! {
                        ended = &mut serving => return ended.map(|()| Exit::Success),
                        next = next::<S>(&flags, &socket) => next,
                    };
                    match next {
                        Ok(next) => break Some(next),
                        Err(error) => tracing::error!("{error:#}\nNothing changes"),
                    }
                }
            }
        };
        let ending = match &next {
            None => {
                say_that_it_stops();
                Ending::Stop
            }
            Some((next, _)) => {
                systemd::reloading();
                tracing::info!("beginning anew with the configuration as it is now");
                log.filter_by(next.log());
                Ending::Restart
            }
        };
        // It has ended by itself if it does not hear.
        let _ = tell.send(ending);
        let mut next = next;
        loop {
            tokio::select! {
                ended = &mut serving => break ended?,
                // The first one, if what ends was to begin anew.
                () = signals.stop() => match next.take() {
                    Some(_) => say_that_it_stops(),
                    None => {
                        tracing::warn!("stopped at once");
                        return Ok(Exit::NotAsExpected);
                    }
                },
            }
        }
        match next {
            None => return Ok(Exit::Success),
            Some((next, moved)) => {
                socket = match moved {
                    Some(moved) => moved,
                    None => {
                        drop(socket);
                        Socket::bind(next.listen())?
                    }
                };
                service = next;
            }
        }
        is_first = false;
    }
}

/// The service that the configuration asks for now, and its socket, where that can be had beside the present one.
async fn next<S: Service>(flags: &BTreeMap<String, String>, socket: &Socket) -> anyhow::Result<(S, Option<Socket>)> {
    let next = S::load(flags.clone())?;
    database::try_out(next.database()).await?;
    let moved = socket.at(next.listen())?;
    Ok((next, moved))
}

fn say_that_it_stops() {
    systemd::stopping();
    tracing::info!("stopping when what was accepted is done; a second signal stops at once");
}

/// A socket that outlives the service that listens at it.
struct Socket {
    asked_for: SocketAddr,
    socket: net::TcpListener,
}

impl Socket {
    /// Listens at `address`, which may have port 0.
    fn bind(address: SocketAddr) -> anyhow::Result<Self> {
        let socket = net::TcpListener::bind(address).with_context(|| {
            format!("cannot listen at {address}; choose another place with SERVER_HOST and SERVER_PORT")
        })?;
        socket.set_nonblocking(true)?;
        Ok(Self { asked_for: address, socket })
    }

    /// A socket at `address`, this one if it is there. `None` when it must be closed first, because both have one port.
    fn at(&self, address: SocketAddr) -> anyhow::Result<Option<Self>> {
        if self.asked_for == address {
            return Ok(Some(Self { asked_for: address, socket: self.socket.try_clone()? }));
        }
        match Self::bind(address) {
            Err(_) if self.asked_for.port() == address.port() => Ok(None),
            bound => bound.map(Some),
        }
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

/// What a signal asks for.
#[derive(Debug, Clone, Copy)]
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

    /// Leaves the wish for another configuration to whoever comes next.
    async fn stop(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
