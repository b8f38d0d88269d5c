//! From connections to requests.

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

/// What strangers may use up of the hub by holding connections.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// How many connections are open at the same time. Those beyond wait until the system accepts them no more.
    connections: usize,
    /// How long a caller may take for the head of a request, how long it may keep a connection without one, and how
    /// long it may leave an answer unread.
    patience: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        const MOST: u64 = 4096;
        // The other half is for the database, for connection tests, and for whatever else the process does.
        let descriptors = Resource::NOFILE.get_soft().unwrap_or(u64::MAX) / 2;
        Self { connections: descriptors.clamp(1, MOST) as usize, patience: Duration::from_secs(60) }
    }
}

/// Every request is told when the server stops: an answer that would go on for ever ends then.
#[derive(Debug, Clone)]
pub(crate) struct Closing(watch::Receiver<bool>);

impl Closing {
    pub(crate) async fn begun(&mut self) {
        // A server that is gone has stopped as well.
        let _ = self.0.wait_for(|has_begun| *has_begun).await;
    }
}

/// How often a hub that is full says so at the most.
const FULL_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// The pause after the system had no connection to give, because it ran out of something.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Serves until `shutdown` resolves, then finishes what was accepted, within `grace`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send,
    grace: Duration,
) -> io::Result<()> {
    serve_within(Bounds::default(), listener, router, shutdown, grace).await
}

async fn serve_within(
    bounds: Bounds,
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send,
    grace: Duration,
) -> io::Result<()> {
    let connections = GracefulShutdown::new();
    let mut places = Places::new(bounds.connections);
    let (close, closing) = watch::channel(false);
    let closing = Closing(closing);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (place, stream, from) = tokio::select! {
            (place, accepted) = async { (places.free().await, listener.accept().await) } => match accepted {
                Ok((stream, from)) => (place, stream, from),
                Err(error) if is_of_one_connection(&error) => continue,
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
                    continue;
                }
            },
            () = &mut shutdown => break,
        };
        let (router, closing) = (router.clone(), closing.clone());
        let answer = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo::<SocketAddr>(from));
            request.extensions_mut().insert(closing.clone());
            router.clone().oneshot(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(bounds.patience)
            .serve_connection(TokioIo::new(Box::pin(bounded(stream, bounds.patience))), answer);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, %from, "a connection ended early");
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

/// A connection that ends when nothing can be written to it for so long.
fn bounded(stream: TcpStream, patience: Duration) -> TimeoutStream<TcpStream> {
    // An answer is written at once, so there is nothing to wait for.
    drop(stream.set_nodelay(true));
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(patience));
    stream
}

/// The places of the connections that may be open.
struct Places {
    free: Arc<Semaphore>,
    most: usize,
    told: Option<Instant>,
}

impl Places {
    fn new(most: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(most)), most, told: None }
    }

    /// A place, as soon as there is one.
    async fn free(&mut self) -> OwnedSemaphorePermit {
        if let Ok(place) = self.free.clone().try_acquire_owned() {
            return place;
        }
        if self.told.is_none_or(|told| told.elapsed() > FULL_AGAIN_AFTER) {
            self.told = Some(Instant::now());
            tracing::warn!(open = self.most, "no more connections are taken until some end");
        }
        self.free.clone().acquire_owned().await.expect("it is never closed")
    }
}

/// Whether only the connection failed that was about to be accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
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

    /// A server with these bounds, which answers everything, and where it is.
    async fn start(bounds: Bounds) -> (SocketAddr, JoinHandle<io::Result<()>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // More than fits into the buffers of a connection.
        let router = Router::new().route("/", get(async || "here")).route("/long", get(async || vec![b'.'; 64 << 20]));
        (address, tokio::spawn(serve_within(bounds, listener, router, std::future::pending(), LONG)))
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
    async fn beyond_the_bound_a_connection_waits_until_another_ends() {
        let (address, server) = start(Bounds { connections: 2, patience: LONG }).await;
        let (mut first, mut second) = (ask(address, "/").await, ask(address, "/").await);
        answered(&mut first).await;
        answered(&mut second).await;
        let mut third = ask(address, "/").await;
        // What is served by now has had its turn, several times over.
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
    async fn who_says_nothing_or_reads_nothing_makes_room() {
        let patience = Duration::from_secs(1);
        let (address, server) = start(Bounds { connections: 1, patience }).await;
        let ended = async |mut stream: TcpStream| {
            let mut read = Vec::new();
            // It may be reset, which is an end too.
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
        // There is one place: while this one is kept, nobody is answered, and it is never read.
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
        let bounds = Bounds { connections: 1, patience: LONG };
        let router = Router::new().route("/", get(async || "here"));
        let shutdown = async move { drop(stopped.await) };
        let server = tokio::spawn(serve_within(bounds, listener, router, shutdown, LONG));
        let mut open = ask(address, "/").await;
        answered(&mut open).await;
        drop(stop);
        timeout(LONG, server).await.expect("it stops").unwrap().unwrap();
    }
}
