//! The limit on what strangers send, which is asked before anything of it is read.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use easytier_uptime_monitor::{Refusal, limit::Limit};

use super::client::Client;

const PER_MINUTE: Duration = Duration::from_secs(60);

/// The posts of strangers. The use cases have further limits, which count valid documents only.
#[derive(Clone)]
pub(crate) struct Posts(Arc<Limit>);

impl Default for Posts {
    fn default() -> Self {
        Self(Arc::new(Limit::new(PER_MINUTE, 60, 6000)))
    }
}

/// The address of a stranger who may post.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Poster(pub IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for Poster
where
    Posts: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Client(address) = Client::from_request_parts(parts, state).await?;
        Posts::from_ref(state).0.check(address)?;
        Ok(Self(address))
    }
}
