//! Reads the rest of a request's body before the response goes out: a connection that is closed while the caller is still
//! sending is reset, and the caller never sees the response.

use std::{
    mem,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, extract::Request, http::header};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::timeout;

/// The maximum number of bytes that are read and discarded.
const MAX_DISCARDED: usize = 64 << 20;

/// How long the caller may take to send the rest.
const TIMEOUT: Duration = Duration::from_secs(20);

/// What the handler leaves of a request's body.
pub struct Rest(Option<SharedBody>);

impl Rest {
    /// The rest of the body of this request, which is to be handled.
    pub fn of(request: Request) -> (Request, Self) {
        // A caller that expects `100 Continue` sends no body before it gets that response.
        if request.body().is_end_stream() || request.headers().contains_key(header::EXPECT) {
            return (request, Self(None));
        }
        let (parts, body) = request.into_parts();
        let shared = SharedBody(Arc::new(Mutex::new(body)));
        (Request::from_parts(parts, Body::new(shared.clone())), Self(Some(shared)))
    }

    /// Reads it, now that the request is handled.
    pub async fn discard(self) {
        if let Some(body) = self.0 {
            // A caller that takes longer may lose the response.
            drop(timeout(TIMEOUT, discard(body.with(mem::take))).await);
        }
    }
}

async fn discard(mut body: Body) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > MAX_DISCARDED {
            return;
        }
    }
}

/// A request body that the handler reads, and whose [`Rest`] is read afterwards.
#[derive(Clone)]
struct SharedBody(Arc<Mutex<Body>>);

impl SharedBody {
    fn with<T>(&self, f: impl FnOnce(&mut Body) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl HttpBody for SharedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.with(|body| Pin::new(body).poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.with(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|body| body.size_hint())
    }
}
