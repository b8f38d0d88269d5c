//! TLS to a node.

use std::{io, sync::Arc};

use chrono::{DateTime, Utc};
use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, time::Instant};
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::Host;

use super::{error::connect_failure, pace::Paced, within::within};
use crate::{Failure, FailureCode, PeerUrl, Stage, Target, check::stage_failure::StageFailure};

/// Establishes TLS with the node at `target` over `stream`.
pub(super) async fn connect(
    target: &Target,
    stream: Paced<TcpStream>,
    tls: Arc<rustls::ClientConfig>,
    deadline: Instant,
) -> Result<TlsStream<Paced<TcpStream>>, StageFailure> {
    let late = || StageFailure::at_connect(FailureCode::TlsFailed, "port open, no answer to the TLS handshake");
    // Errors that the system did not report are those of TLS.
    let failed = |error: io::Error| match error.raw_os_error() {
        Some(_) => connect_failure(target.address, error),
        None => StageFailure { stage: Stage::Connect, failure: tls_failed(&error) },
    };
    let name = server_name(&target.url)?;
    within(deadline, TlsConnector::from(tls).connect(name, stream), late, failed).await
}

/// The name that is sent to the node (SNI), by which a proxy in front of it may choose: the URL's domain, and "localhost"
/// for an IP address, as EasyTier clients send it since 2.3.2.
fn server_name(url: &PeerUrl) -> Result<ServerName<'static>, StageFailure> {
    let name = match url.host() {
        Some(Host::Domain(domain)) => domain,
        Some(Host::Ipv4(_) | Host::Ipv6(_)) | None => "localhost",
    };
    ServerName::try_from(name.to_owned()).map_err(|_| {
        StageFailure::at_connect(FailureCode::InvalidUrl, format!("TLS needs a valid host name, and '{name}' is none"))
    })
}

/// The failure of an established TLS connection; `None` if `error` is not that of TLS.
pub(super) fn tls_failure(error: &io::Error) -> Option<Failure> {
    let of_tls = error.get_ref().is_some_and(|cause| cause.is::<rustls::Error>());
    of_tls.then(|| tls_failed(error))
}

fn tls_failed(error: &io::Error) -> Failure {
    Failure::new(FailureCode::TlsFailed, format!("port open, but TLS failed: {error}"))
}

/// When the certificate that the node sent expires.
pub(super) fn certificate_expiry<S>(stream: &TlsStream<S>) -> Option<DateTime<Utc>> {
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    DateTime::from_timestamp(parsed.validity().not_after.timestamp(), 0)
}
