//! Runs a router on a listener: from connections to requests.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::ConnectInfo};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use rlimit::Resource;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, timeout},
};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

/// Limits on connections.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// The maximum number of open connections. Further ones wait in the system's queue.
    connections: usize,
    /// How long a caller may take to send the head of a request, how long it may keep a connection without a request, and
    /// how long it may leave a response unread.
    idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        const MAX_CONNECTIONS: u64 = 4096;
        // The other half of the descriptors is for the database, for connection tests, and for the rest of the process.
        let descriptors = Resource::NOFILE.get_soft().unwrap_or(u64::MAX) / 2;
        Self { connections: descriptors.clamp(1, MAX_CONNECTIONS) as usize, idle_timeout: Duration::from_secs(60) }
    }
}

/// Tells a handler that the server stops, so that it can end an endless response. It is an extension of every request.
#[derive(Debug, Clone)]
pub struct Closing(watch::Receiver<bool>);

impl Closing {
    /// Resolves when the server begins to stop.
    pub async fn begun(&mut self) {
        // A server that was dropped has stopped as well.
        let _ = self.0.wait_for(|has_begun| *has_begun).await;
    }
}

/// The minimum time between two log lines about the connection limit.
const LIMIT_WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// The pause after `accept` failed because the system ran out of something.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// Serves until `shutdown` resolves, then waits at most `grace` for the requests under way.
///
/// # Errors
///
/// None today; a failing `accept` is logged and tried again.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send,
    grace: Duration,
) -> io::Result<()> {
    serve_within(Limits::default(), listener, router, shutdown, grace).await
}

async fn serve_within(
    limits: Limits,
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send,
    grace: Duration,
) -> io::Result<()> {
    let connections = GracefulShutdown::new();
    let mut slots = Slots::new(limits.connections);
    let (close, closing) = watch::channel(false);
    let closing = Closing(closing);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (slot, stream, from) = tokio::select! {
            (slot, accepted) = async { (slots.acquire().await, listener.accept().await) } => match accepted {
                Ok((stream, from)) => (slot, stream, from),
                Err(error) if concerns_one_connection(&error) => continue,
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                    continue;
                }
            },
            () = &mut shutdown => break,
        };
        let (router, closing) = (router.clone(), closing.clone());
        let handler = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo::<SocketAddr>(from));
            request.extensions_mut().insert(closing.clone());
            router.clone().oneshot(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.idle_timeout)
            .serve_connection(TokioIo::new(Box::pin(with_write_timeout(stream, limits.idle_timeout))), handler);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, %from, "a connection ended early");
            }
            drop(slot);
        });
    }
    drop(listener);
    close.send_replace(true);
    let open = connections.count();
    if timeout(grace, connections.shutdown()).await.is_err() {
        tracing::warn!(open, ?grace, "stopping although some requests have not ended");
    }
    Ok(())
}

/// A connection that fails when nothing can be written to it for `idle_timeout`.
fn with_write_timeout(stream: TcpStream, idle_timeout: Duration) -> TimeoutStream<TcpStream> {
    // A response is written at once, so Nagle's algorithm would only delay it.
    drop(stream.set_nodelay(true));
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(idle_timeout));
    stream
}

/// Permits for the connections that may be open.
struct Slots {
    free: Arc<Semaphore>,
    max: usize,
    warned_at: Option<Instant>,
}

impl Slots {
    fn new(max: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(max)), max, warned_at: None }
    }

    /// Waits for a permit. It never returns `None`, because the semaphore is never closed.
    async fn acquire(&mut self) -> Option<OwnedSemaphorePermit> {
        if let Ok(slot) = self.free.clone().try_acquire_owned() {
            return Some(slot);
        }
        if self.warned_at.is_none_or(|warned_at| warned_at.elapsed() > LIMIT_WARNING_INTERVAL) {
            self.warned_at = Some(Instant::now());
            tracing::warn!(open = self.max, "the connection limit is reached; further connections wait");
        }
        self.free.clone().acquire_owned().await.ok()
    }
}

/// Whether `accept` failed for the next connection alone, so that it can be called again at once.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        task::JoinHandle,
    };

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// A server with these limits, and its address.
    async fn start(limits: Limits) -> (SocketAddr, JoinHandle<io::Result<()>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // More than fits into the buffers of a connection.
        let router = Router::new().route("/", get(async || "here")).route("/long", get(async || vec![b'.'; 64 << 20]));
        (address, tokio::spawn(serve_within(limits, listener, router, std::future::pending(), LONG)))
    }

    async fn ask(address: SocketAddr, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: hub\r\n\r\n").as_bytes()).await.unwrap();
        stream
    }

    /// Reads up to the end of the short answer.
    async fn answered(stream: &mut TcpStream) {
        let mut read = Vec::new();
        while !read.ends_with(b"here") {
            assert!(stream.read_buf(&mut read).await.unwrap() > 0, "it ended after {read:?}");
        }
    }

    #[tokio::test]
    async fn a_connection_beyond_the_limit_waits_until_another_ends() {
        let (address, server) = start(Limits { connections: 2, idle_timeout: LONG }).await;
        let (mut first, mut second) = (ask(address, "/").await, ask(address, "/").await);
        answered(&mut first).await;
        answered(&mut second).await;
        let mut third = ask(address, "/").await;
        // After several more responses, the server has had time to accept the third connection.
        for _ in 0..3 {
            second.write_all(b"GET / HTTP/1.1\r\nhost: hub\r\n\r\n").await.unwrap();
            answered(&mut second).await;
        }
        let nothing = third.try_read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(nothing, Err(io::ErrorKind::WouldBlock));
        drop(first);
        answered(&mut third).await;
        server.abort();
    }

    #[tokio::test]
    async fn a_connection_that_sends_or_reads_nothing_is_closed() {
        let idle_timeout = Duration::from_secs(1);
        let (address, server) = start(Limits { connections: 1, idle_timeout }).await;
        let ended = async |mut stream: TcpStream| {
            let mut read = Vec::new();
            // A reset ends the connection too.
            drop(timeout(LONG, stream.read_to_end(&mut read)).await.expect("it ends"));
            read
        };
        assert_eq!(ended(TcpStream::connect(address).await.unwrap()).await, b"");
        let mut half = TcpStream::connect(address).await.unwrap();
        half.write_all(b"GET / HTTP/1.1\r\nhost: h").await.unwrap();
        ended(half).await;
        let mut idle = ask(address, "/").await;
        answered(&mut idle).await;
        assert_eq!(ended(idle).await, b"");
        // The limit is one connection: the next request is answered only after this connection is closed.
        let unread = ask(address, "/long").await;
        unread.readable().await.unwrap();
        answered(&mut ask(address, "/").await).await;
        assert!(ended(unread).await.len() < 64 << 20);
        server.abort();
    }

    #[tokio::test]
    async fn a_full_server_stops_when_it_is_told_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let limits = Limits { connections: 1, idle_timeout: LONG };
        let router = Router::new().route("/", get(async || "here"));
        let shutdown = async move { drop(stopped.await) };
        let server = tokio::spawn(serve_within(limits, listener, router, shutdown, LONG));
        let mut open = ask(address, "/").await;
        answered(&mut open).await;
        drop(stop);
        timeout(LONG, server).await.expect("it stops").unwrap().unwrap();
    }
}
