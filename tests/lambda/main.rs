//! The function end to end: the built binary, driven as Lambda drives it, with real nodes and a real hub.

mod addresses;
mod aws;
mod deadlines;
mod function;
mod hub;
mod invocations;
mod logs;
mod node;
mod proxy;
mod queue;
mod runtime;
mod secrets;
mod settings;

/// A client without limits and proxies, as tests want it.
fn client() -> reqwest::Client {
    // Fails when another test was first, which does as well.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap()
}
