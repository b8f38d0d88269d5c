//! On whose behalf a request acts, for the audit log, and what becomes of failed authentications. It is one layer around all
//! routes, so that no route can forget it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    extract::Request,
    http::{HeaderName, StatusCode, header},
    response::Response,
};
use easytier_uptime_monitor::{Caller, Metrics};
use easytier_uptime_store::{
    Store,
    acting::Call,
    domain::{AuthFailure, Timestamp},
};
use futures::future::Either;
use tower::{Layer, Service};

use super::credentials::{API_KEY, NODE_TOKEN};

/// The headers in which a credential is presented. A cookie is none: browsers go on sending one that is over.
const CREDENTIALS: [HeaderName; 3] = [header::AUTHORIZATION, NODE_TOKEN, API_KEY];

/// The page that is opened by the link of a message, which has its authority in the query.
const LINK: &str = "/alerts";

/// Where failed authentications are counted.
#[derive(Clone)]
pub(crate) struct ActingLayer {
    store: Store,
    metrics: Arc<Metrics>,
}

impl ActingLayer {
    /// The metrics have every kind from the beginning, so that the first failure of a kind is seen as one.
    pub fn new(store: Store, metrics: Arc<Metrics>) -> Self {
        AuthFailure::ALL.iter().for_each(|failure| metrics.auth_failed(*failure, 0));
        Self { store, metrics }
    }

    fn note(&self, failure: AuthFailure, call: &Call) {
        self.metrics.auth_failed(failure, 1);
        self.store.note_auth_failure(failure, call.address(), &call.actor(), Timestamp::now());
    }
}

impl<S> Layer<S> for ActingLayer {
    type Service = Acting<S>;

    fn layer(&self, inner: S) -> Acting<S> {
        Acting { inner, ledger: self.clone() }
    }
}

/// The service of an [`ActingLayer`].
#[derive(Clone)]
pub(crate) struct Acting<S> {
    inner: S,
    ledger: ActingLayer,
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<S> Service<Request> for Acting<S>
where
    S: Service<Request, Response = Response>,
    S::Future: Send + 'static,
    S::Error: 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Either<S::Future, Boxed<Result<Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let presents = CREDENTIALS.iter().any(|name| request.headers().contains_key(name));
        // Reads of visitors, which change nothing and can fail no authentication, cost nothing here.
        if request.method().is_safe() && !presents && request.uri().path() != LINK {
            return Either::Left(self.inner.call(request));
        }
        let address = request.extensions().get::<Caller>().map(|Caller(address)| *address);
        let (call, ledger) = (Call::from(address), self.ledger.clone());
        let refused_as = presents.then(|| at(request.uri().path()));
        let response = Arc::clone(&call).run(self.inner.call(request));
        Either::Right(Box::pin(async move {
            let response = response.await?;
            let refused = refused_as.filter(|_| response.status() == StatusCode::UNAUTHORIZED);
            if let Some(failure) = call.failure().or(refused) {
                ledger.note(failure, &call);
            }
            Ok(response)
        }))
    }
}

/// How the authentication of a request failed that presented a credential and was refused with 401, unless that was noted where
/// it was found.
fn at(path: &str) -> AuthFailure {
    let table = [
        ("/sync/api/", AuthFailure::Instance),
        ("/api/admin/", AuthFailure::Session),
        ("/metrics", AuthFailure::Metrics),
    ];
    table.iter().find(|(prefix, _)| path.starts_with(prefix)).map_or(AuthFailure::Token, |(_, failure)| *failure)
}
