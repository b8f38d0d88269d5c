//! A service that is cloned once for a request, however many layers are around it.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tower::{Layer, Service, ServiceExt, util::Oneshot};

/// Makes the service below it a [`Shared`] one.
///
/// A layer of `from_fn` clones what it wraps for every request, and so does each layer above it. A route below five of them
/// would be cloned a dozen times, with its handler, the state of the handler, and the boxes of its own layers.
#[derive(Debug, Clone, Copy)]
pub struct ShareLayer;

impl<S> Layer<S> for ShareLayer {
    type Service = Shared<S>;

    fn layer(&self, inner: S) -> Shared<S> {
        Shared(Arc::new(inner))
    }
}

/// A service whose clones share it. Each call clones the service itself.
#[derive(Debug)]
pub struct Shared<S>(Arc<S>);

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Service<R> + Clone, R> Service<R> for Shared<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Oneshot<S, R>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        S::clone(&self.0).oneshot(request)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
    };

    use axum::{
        body::Body,
        extract::Request,
        middleware::{Next, from_fn},
        response::Response,
    };
    use tower::ServiceBuilder;

    use super::*;

    /// Counts how often it is cloned.
    struct Route(Arc<AtomicUsize>);

    impl Clone for Route {
        fn clone(&self) -> Self {
            self.0.fetch_add(1, Relaxed);
            Self(Arc::clone(&self.0))
        }
    }

    impl Service<Request> for Route {
        type Response = Response;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Response, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request) -> Self::Future {
            std::future::ready(Ok(Response::new(Body::empty())))
        }
    }

    async fn pass(request: Request, next: Next) -> Response {
        next.run(request).await
    }

    #[tokio::test]
    async fn a_route_is_cloned_once_below_any_number_of_layers() {
        let clones = Arc::new(AtomicUsize::new(0));
        let layers = ServiceBuilder::new().layer(from_fn(pass)).layer(from_fn(pass)).layer(from_fn(pass));
        let service = layers.layer(ShareLayer).service(Route(Arc::clone(&clones)));
        for request in 1..=3 {
            service.clone().oneshot(Request::default()).await.unwrap();
            assert_eq!(clones.load(Relaxed), request);
        }
    }
}
