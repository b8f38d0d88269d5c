//! Runs a router on a listener: from connections to requests.

mod pace;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::ConnectInfo};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use rlimit::Resource;
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};
use tower::ServiceExt;

use self::pace::Paced;
use crate::{
    party::Party,
    places::{Place, Places},
};

/// Limits on connections.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// The maximum number of open connections.
    connections: usize,
    /// How long a caller may take to send the head of its first request.
    first_head: Duration,
    /// How long a caller may take to send the head of another request, how long it may keep a connection without a request,
    /// and how long it may leave a response unread.
    idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        const MAX_CONNECTIONS: u64 = 4096;
        // The other half of the descriptors is for the database, for connection tests, and for the rest of the process.
        let descriptors = Resource::NOFILE.get_soft().unwrap_or(u64::MAX) / 2;
        Self {
            connections: descriptors.clamp(1, MAX_CONNECTIONS) as usize,
            first_head: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
        }
    }
}

/// The maximum length of a request's head, and of what one connection buffers.
const MAX_BUFFER: usize = 16 << 10;

/// How many bytes the system keeps for a caller that does not take them yet. Otherwise it may keep megabytes.
const MAX_UNSENT: u32 = 64 << 10;

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
    let mut entrance = Entrance { places: Places::new(limits.connections), max: limits.connections, warned_at: None };
    let (close, closing) = watch::channel(false);
    let closing = Closing(closing);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (place, stream, from) = tokio::select! {
            accepted = entrance.accept(&listener) => match accepted {
                Ok(accepted) => accepted,
                Err(error) if concerns_one_connection(&error) => continue,
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    sleep(ACCEPT_RETRY_DELAY).await;
                    continue;
                }
            },
            () = &mut shutdown => break,
        };
        let (router, closing, hold) = (router.clone(), closing.clone(), place.hold());
        let begun = Arc::new(Notify::new());
        let first_request = Arc::clone(&begun);
        let handler = service_fn(move |mut request: hyper::Request<Incoming>| {
            first_request.notify_one();
            request.extensions_mut().insert(ConnectInfo::<SocketAddr>(from));
            request.extensions_mut().insert(closing.clone());
            request.extensions_mut().insert(hold.clone());
            router.clone().oneshot(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.idle_timeout)
            .max_buf_size(MAX_BUFFER)
            .serve_connection(TokioIo::new(Box::pin(paced(stream, limits.idle_timeout))), handler);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            let late = async {
                if timeout(limits.first_head, begun.notified()).await.is_ok() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%error, %from, "a connection ended early");
                },
                () = late => tracing::debug!(%from, "a connection was closed, because its first request did not come"),
                () = place.lost() => tracing::debug!(%from, "a connection was closed in favour of another"),
            }
            drop(place);
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

/// A connection that fails when its caller takes responses too slowly.
fn paced(stream: TcpStream, patience: Duration) -> Paced<TcpStream> {
    // A response is written at once, so Nagle's algorithm would only delay it.
    drop(stream.set_nodelay(true));
    #[cfg(target_os = "linux")]
    drop(SockRef::from(&stream).set_tcp_notsent_lowat(MAX_UNSENT));
    Paced::new(stream, patience)
}

/// Where connections come in.
struct Entrance {
    places: Arc<Places>,
    max: usize,
    warned_at: Option<Instant>,
}

impl Entrance {
    /// The next connection, with its place. It waits when no other connection can be closed for it.
    async fn accept(&mut self, listener: &TcpListener) -> io::Result<(Place, TcpStream, SocketAddr)> {
        let (stream, from) = listener.accept().await?;
        if self.places.taken() >= self.max
            && self.warned_at.is_none_or(|warned_at| warned_at.elapsed() > LIMIT_WARNING_INTERVAL)
        {
            self.warned_at = Some(Instant::now());
            tracing::warn!(
                open = self.max,
                "the connection limit is reached; for each further connection another is closed"
            );
        }
        Ok((self.places.wait(Party::of(from.ip())).await, stream, from))
    }
}

/// Whether `accept` failed for the next connection alone, so that it can be called again at once.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests {
    use axum::{Extension, routing::get};
    use bytes::Bytes;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpSocket,
        task::JoinHandle,
    };

    use super::*;
    use crate::places::Hold;

    const LONG: Duration = Duration::from_secs(60);

    const LIMITS: Limits = Limits { connections: 2, first_head: LONG, idle_timeout: LONG };

    /// A server with these limits, and its address.
    async fn start(limits: Limits) -> (SocketAddr, JoinHandle<io::Result<()>>) {
        serve_router(limits, Router::new().route("/", get(async || "here")).route("/vouch", get(vouch))).await
    }

    async fn serve_router(limits: Limits, router: Router) -> (SocketAddr, JoinHandle<io::Result<()>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (address, tokio::spawn(serve_within(limits, listener, router, std::future::pending(), LONG)))
    }

    /// Answers a caller with a valid credential.
    async fn vouch(Extension(place): Extension<Hold>) -> &'static str {
        place.vouch();
        "here"
    }

    /// A connection from 127.0.0.`last`.
    async fn connect(last: u8, address: SocketAddr) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
        socket.connect(address).await.unwrap()
    }

    async fn send(stream: &mut TcpStream, path: &str) {
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: hub\r\n\r\n").as_bytes()).await.unwrap();
    }

    async fn ask(address: SocketAddr, path: &str) -> TcpStream {
        let mut stream = connect(1, address).await;
        send(&mut stream, path).await;
        stream
    }

    /// Reads up to the end of the short answer.
    async fn answered(stream: &mut TcpStream) {
        let mut read = Vec::new();
        while !read.ends_with(b"here") {
            assert!(stream.read_buf(&mut read).await.unwrap() > 0, "it ended after {read:?}");
        }
    }

    /// What is still read from a connection that ends. A reset ends it too.
    async fn ended(mut stream: TcpStream) -> Vec<u8> {
        let mut read = Vec::new();
        drop(timeout(LONG, stream.read_to_end(&mut read)).await.expect("it ends"));
        read
    }

    #[tokio::test]
    async fn an_address_that_holds_all_connections_gives_one_up_for_another() {
        let (address, server) = start(LIMITS).await;
        let (first, mut second) = (connect(1, address).await, ask(address, "/").await);
        answered(&mut second).await;
        let mut other = connect(2, address).await;
        send(&mut other, "/").await;
        answered(&mut other).await;
        assert_eq!(ended(first).await, b"");
        // However often the first address connects, it gets its own places only.
        for _ in 0..3 {
            answered(&mut ask(address, "/").await).await;
        }
        send(&mut other, "/").await;
        answered(&mut other).await;
        server.abort();
    }

    #[tokio::test]
    async fn a_caller_with_a_credential_keeps_its_connection() {
        let (address, server) = start(LIMITS).await;
        let mut probe = ask(address, "/vouch").await;
        answered(&mut probe).await;
        for last in 2..10 {
            let mut stranger = connect(last, address).await;
            send(&mut stranger, "/").await;
            answered(&mut stranger).await;
        }
        send(&mut probe, "/").await;
        answered(&mut probe).await;
        server.abort();
    }

    #[tokio::test]
    async fn a_caller_whose_first_request_does_not_come_is_not_waited_for_long() {
        let (address, server) = start(Limits { first_head: Duration::from_millis(500), ..LIMITS }).await;
        let mut quiet = ask(address, "/").await;
        answered(&mut quiet).await;
        assert_eq!(ended(connect(1, address).await).await, b"");
        let mut half = connect(1, address).await;
        half.write_all(b"GET / HTTP/1.1\r\nhost: h").await.unwrap();
        assert_eq!(ended(half).await, b"");
        // Between two requests there is more time.
        send(&mut quiet, "/").await;
        answered(&mut quiet).await;
        server.abort();
    }

    #[tokio::test]
    async fn a_head_is_not_kept_however_long_it_is() {
        let (address, server) = start(LIMITS).await;
        let mut long = connect(1, address).await;
        let header = format!("GET / HTTP/1.1\r\nhost: hub\r\nx-long: {}", "x".repeat(MAX_BUFFER));
        long.write_all(header.as_bytes()).await.unwrap();
        let said = ended(long).await;
        assert!(said.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&said));
        server.abort();
    }

    #[tokio::test]
    async fn a_connection_without_a_further_request_is_closed() {
        let (address, server) = start(Limits { idle_timeout: Duration::from_millis(500), ..LIMITS }).await;
        let mut idle = ask(address, "/").await;
        answered(&mut idle).await;
        assert_eq!(ended(idle).await, b"");
        server.abort();
    }

    /// A response that says when it is dropped.
    struct Watched(Vec<u8>, Arc<Notify>);

    impl AsRef<[u8]> for Watched {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    impl Drop for Watched {
        fn drop(&mut self) {
            self.1.notify_one();
        }
    }

    #[tokio::test]
    async fn a_response_that_nobody_reads_is_not_kept() {
        let dropped = Arc::new(Notify::new());
        let watch = Arc::clone(&dropped);
        // More than fits into the buffers of a connection.
        let long = async move || Bytes::from_owner(Watched(vec![b'.'; 64 << 20], watch));
        let limits = Limits { idle_timeout: Duration::from_secs(1), ..LIMITS };
        let (address, server) = serve_router(limits, Router::new().route("/long", get(long))).await;
        let unread = ask(address, "/long").await;
        timeout(LONG, dropped.notified()).await.expect("the server gives up");
        assert!(ended(unread).await.len() < 64 << 20);
        server.abort();
    }

    #[tokio::test]
    async fn a_full_server_stops_when_it_is_told_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let limits = Limits { connections: 1, ..LIMITS };
        let router = Router::new().route("/", get(async || "here"));
        let shutdown = async move { drop(stopped.await) };
        let server = tokio::spawn(serve_within(limits, listener, router, shutdown, LONG));
        let mut open = ask(address, "/").await;
        answered(&mut open).await;
        drop(stop);
        timeout(LONG, server).await.expect("it stops").unwrap().unwrap();
    }
}
