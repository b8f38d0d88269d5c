//! Requests over TLS.

use std::sync::Arc;

use easytier_uptime_alerts::{ChannelKind, Outcome, SendOptions, Sender};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use crate::{messages::outage, settings::channel};

/// A server that answers 200 to everything, and a configuration that trusts it.
async fn server() -> (String, ClientConfig) {
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let der = CertificateDer::from(certificate.serialize_der().unwrap());
    let key = PrivateKeyDer::try_from(certificate.serialize_private_key_der()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(der.clone()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let server = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let server = server.with_no_client_auth().with_single_cert(vec![der], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Who does not trust it hangs up.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            drop(stream.read(&mut [0; 4096]).await);
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await);
            drop(stream.shutdown().await);
        }
    });
    (url, client.with_root_certificates(roots).with_no_client_auth())
}

#[tokio::test]
async fn only_a_server_with_a_trusted_certificate_gets_the_message() {
    let (url, trust) = server().await;
    let channel = channel(ChannelKind::Webhook, &url);
    let outcome = Sender::new(SendOptions::default()).unwrap().send(&channel, &outage()).await;
    let Outcome::Retry { why, .. } = outcome else { panic!("{outcome:?}") };
    assert!(why.starts_with("no connection: invalid peer certificate"), "{why}");
    let trusting = Sender::new(SendOptions { trust: Some(trust), ..SendOptions::default() }).unwrap();
    assert_eq!(trusting.send(&channel, &outage()).await, Outcome::Delivered);
}
