//! Servers that are not EasyTier nodes.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use easytier_probe::Scheme;
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    task::{AbortHandle, JoinSet},
    time::Instant,
};
use tokio_rustls::server::TlsStream;

/// A server that runs until dropped.
pub struct Fake {
    address: SocketAddr,
    arrivals: Arrivals,
    server: AbortHandle,
}

/// When connections or datagrams arrived.
#[derive(Clone, Default)]
pub struct Arrivals(Arc<Mutex<Vec<Instant>>>);

impl Arrivals {
    pub fn note(&self) {
        self.0.lock().unwrap().push(Instant::now());
    }
}

impl Fake {
    /// A TCP server that runs `serve` on each connection. Dropping the server closes all connections.
    pub async fn tcp<S, F>(serve: S) -> Self
    where
        S: Fn(TcpStream) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self::tcp_at("127.0.0.1:0".parse().unwrap(), serve).await
    }

    /// The same at a given address.
    pub async fn tcp_at<S, F>(address: SocketAddr, serve: S) -> Self
    where
        S: Fn(TcpStream) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        Self::run(address, |arrivals| async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                arrivals.note();
                connections.spawn(serve(stream));
            }
        })
    }

    /// A UDP server that sends the answer that `answer` returns for a datagram.
    pub async fn udp(answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        Self::run(address, |arrivals| async move {
            let mut datagram = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut datagram).await {
                arrivals.note();
                if let Some(answer) = answer(&datagram[..length]) {
                    socket.send_to(&answer, from).await.unwrap();
                }
            }
        })
    }

    /// A server at `address` that runs the future of `server`.
    pub fn run<F>(address: SocketAddr, server: impl FnOnce(Arrivals) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let arrivals = Arrivals::default();
        let server = tokio::spawn(server(arrivals.clone())).abort_handle();
        Self { address, arrivals, server }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self, scheme: Scheme) -> String {
        format!("{scheme}://{}", self.address)
    }

    /// How many connections or datagrams have arrived.
    pub fn arrived(&self) -> usize {
        self.arrivals.0.lock().unwrap().len()
    }

    /// When they arrived.
    pub fn arrivals(&self) -> Vec<Instant> {
        self.arrivals.0.lock().unwrap().clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Reads until the other side closes.
pub async fn listen_only(mut stream: impl AsyncRead + Unpin) {
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
}

/// Accepts connections and never sends anything.
pub async fn silent() -> Fake {
    Fake::tcp(listen_only).await
}

/// Answers the first bytes of a connection with `answer`, and nothing after them.
pub async fn answering(answer: &'static [u8]) -> Fake {
    Fake::tcp(move |stream| answer_once(stream, answer)).await
}

/// Reads something, writes `answer`, and listens from then on.
pub async fn answer_once(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &[u8]) {
    let mut question = [0; 4096];
    if stream.read(&mut question).await.is_ok_and(|length| length > 0) {
        let _ = stream.write_all(answer).await;
        listen_only(stream).await;
    }
}

/// Reads something, then closes.
pub async fn closing() -> Fake {
    Fake::tcp(async |mut stream| _ = stream.read(&mut [0; 4096]).await).await
}

/// A TLS server that runs `serve` on each connection once TLS is established.
pub async fn tls<S, F>(serve: S) -> Fake
where
    S: Fn(TlsStream<TcpStream>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    tls_with(SingleCertAndKey::from(own_certificate()), serve).await
}

/// A self-signed certificate, as nodes have it.
fn own_certificate() -> CertifiedKey {
    let (certificates, key) = easytier::tunnel::insecure_tls::get_insecure_tls_cert();
    CertifiedKey::from_der(certificates, key, &rustls::crypto::ring::default_provider()).unwrap()
}

/// The certificate of a TLS server that refuses clients that ask for another name than this, or for none.
#[derive(Debug)]
pub struct OnlyFor(&'static str, Arc<CertifiedKey>);

impl OnlyFor {
    pub fn name(name: &'static str) -> Self {
        Self(name, own_certificate().into())
    }
}

impl ResolvesServerCert for OnlyFor {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        (hello.server_name() == Some(self.0)).then(|| self.1.clone())
    }
}

/// A TLS server with these certificates.
pub async fn tls_with<S, F>(certificates: impl ResolvesServerCert + 'static, serve: S) -> Fake
where
    S: Fn(TlsStream<TcpStream>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let config = rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificates));
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    Fake::tcp(move |stream| {
        let (acceptor, serve) = (acceptor.clone(), serve.clone());
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream).await;
            }
        }
    })
    .await
}
