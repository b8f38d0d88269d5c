//! TLS configurations for clients.
//!
//! The crypto provider, ring, is named in each: the library neither sets nor reads the default of the process.

use std::sync::Arc;

use rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, WantsVerifier,
    client::{
        WantsClientCert,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

/// A configuration for connections to nodes, as EasyTier clients have it: any certificate is accepted, because nodes sign
/// their own. Clients send a server name since 2.2.4.
///
/// # Errors
///
/// When ring supports no version of TLS.
pub(crate) fn for_nodes() -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = AnyCertificate(provider.clone());
    Ok(builder(provider)?.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

/// A configuration for web servers, whose certificates the system must trust. On a system without trusted certificates it is
/// Mozilla's list, as it was when this was built. It offers HTTP/2 and HTTP/1.1.
///
/// # Errors
///
/// When the environment names trusted certificates and there are none.
pub fn for_web_servers() -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = builder(provider.clone())?;
    let builder = match rustls_platform_verifier::Verifier::new(provider) {
        Ok(verifier) => builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)),
        // Who names some trusts no others.
        Err(error) if ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| std::env::var_os(name).is_some()) => {
            return Err(error);
        }
        Err(_) => builder.with_root_certificates(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }),
    };
    Ok(web_client(builder))
}

/// A configuration for clients that only make plain HTTP requests. It trusts nobody, so that it can be made on a system
/// without trusted certificates.
///
/// # Errors
///
/// When ring supports no version of TLS.
pub fn without_trust() -> Result<ClientConfig, Error> {
    let builder = builder(Arc::new(ring::default_provider()))?.with_root_certificates(RootCertStore::empty());
    Ok(web_client(builder))
}

fn builder(provider: Arc<CryptoProvider>) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, Error> {
    ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
}

fn web_client(builder: ConfigBuilder<ClientConfig, WantsClientCert>) -> ClientConfig {
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

/// Accepts any certificate. The server must still prove that it has the certificate's key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
