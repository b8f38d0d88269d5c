//! The probe's access to its backend: the client, and the record of which calls fail.

use std::sync::Arc;

use easytier_probe::{
    Backend, BackendError,
    backend::{Availability, BackendCall, FailedCall},
};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until},
};

use crate::metrics::Metrics;

/// The backend of a probe. Cheap to clone; clones share the client and the record of failures.
#[derive(Clone)]
pub struct BackendHandle {
    /// `None` until the probe may use the backend, which an enrollment delays.
    client: watch::Sender<Option<Backend>>,
    availability: Arc<Availability>,
    /// Notified when the backend does not know the credentials of a request.
    refused: Arc<Notify>,
    metrics: Metrics,
}

impl BackendHandle {
    /// A handle without a client.
    pub fn new(availability: Arc<Availability>, metrics: Metrics) -> Self {
        Self { client: watch::Sender::new(None), availability, refused: Arc::default(), metrics }
    }

    /// Sets or replaces the client. What the backend refused before may succeed with it.
    pub fn set_client(&self, client: Backend) {
        self.availability.forget_refusals();
        self.client.send_replace(Some(client));
    }

    /// A receiver that is notified when the client is replaced.
    pub fn replacements(&self) -> watch::Receiver<Option<Backend>> {
        self.client.subscribe()
    }

    /// Waits until the backend answers a request that it does not know the credentials.
    pub async fn refused(&self) {
        self.refused.notified().await;
    }

    /// Waits until `time`, or until the client is replaced.
    pub async fn rest_until(&self, time: Instant) {
        let mut replacements = self.replacements();
        tokio::select! {
            () = sleep_until(time) => {}
            // It cannot fail: this handle holds a sender.
            _ = replacements.changed() => {}
        }
    }

    /// The client, if it is set.
    pub fn client(&self) -> Option<Backend> {
        self.client.borrow().clone()
    }

    /// Waits until the client is set.
    pub async fn ready(&self) -> Backend {
        let mut client = self.client.subscribe();
        loop {
            if let Some(client) = self.client() {
                return client;
            }
            if client.changed().await.is_err() {
                // Cannot happen: this handle holds a sender.
                std::future::pending::<()>().await;
            }
        }
    }

    /// When calls may be repeated.
    pub fn availability(&self) -> &Availability {
        &self.availability
    }

    /// Makes a call that has a schedule, and records its outcome. `None` if it failed, if no client is set yet, or if
    /// the backend must be left alone for now.
    pub async fn scheduled<T, F>(&self, call: BackendCall, send: impl FnOnce(Backend) -> F) -> Option<T>
    where
        F: Future<Output = Result<T, BackendError>>,
    {
        let client = self.client().filter(|_| self.availability.may_call(call))?;
        self.record(call, send(client).await)
    }

    /// Records the outcome of a call.
    pub fn record<T>(&self, call: BackendCall, outcome: Result<T, BackendError>) -> Option<T> {
        match outcome {
            Ok(answer) => {
                self.answered(call);
                self.availability.completed(call);
                Some(answer)
            }
            Err(error) => {
                self.failed(call, &error);
                None
            }
        }
    }

    /// Records that the backend answered one request of a call that may need more. Logs the end of an outage.
    pub fn answered(&self, call: BackendCall) {
        if let Some(lasted) = self.availability.answered(call) {
            tracing::info!("the backend answers all requests again, after {} s", lasted.as_secs());
        }
    }

    /// Records that a call failed. An outage is logged once; refused credentials are logged every time, because
    /// somebody has to replace them.
    ///
    /// Returns when to repeat a call that has no schedule.
    pub fn failed(&self, call: BackendCall, error: &BackendError) -> Instant {
        self.metrics.add_backend_error(call.as_str());
        let FailedCall { is_news, retry_at } = self.availability.failed(call, error);
        if error.is_unauthenticated() {
            self.refused.notify_waiters();
        }
        match error {
            error if error.is_unauthorized() => tracing::error!("{error}"),
            error if !is_news => tracing::debug!("{error}"),
            error if error.is_unreachable() => {
                tracing::warn!("{error}; the checks go on, and results wait until it answers");
            }
            error => tracing::error!("{error}"),
        }
        retry_at
    }
}

#[cfg(test)]
mod tests {
    use std::{future::ready, time::Duration};

    use easytier_probe::BackendConfig;
    use tokio::time::advance;

    use super::*;

    fn handle() -> BackendHandle {
        BackendHandle::new(Arc::default(), Metrics::default())
    }

    fn client() -> Backend {
        Backend::new(BackendConfig::new(vec!["http://192.0.2.1".parse().unwrap()])).unwrap()
    }

    fn unauthorized() -> BackendError {
        BackendError::Unauthorized {
            request: "".into(),
            status: 401,
            credentials: "NODE_TOKEN",
            answer: "".into(),
            advice: "",
        }
    }

    #[tokio::test(start_paused = true)]
    async fn scheduled_calls_wait_for_the_client_and_for_the_end_of_a_pause() {
        let handle = handle();
        assert_eq!(handle.scheduled(BackendCall::Peers, |_| ready(Ok(1))).await, None);
        handle.set_client(client());
        assert_eq!(handle.scheduled(BackendCall::Peers, |_| ready(Ok(2))).await, Some(2));

        let refused: Option<()> = handle.scheduled(BackendCall::Peers, |_| ready(Err(unauthorized()))).await;
        assert_eq!(refused, None);
        assert_eq!(handle.scheduled(BackendCall::Peers, |_| ready(Ok(3))).await, None);
        advance(Duration::from_secs(30)).await;
        assert_eq!(handle.scheduled(BackendCall::Peers, |_| ready(Ok(4))).await, Some(4));
        assert!(handle.availability().outage().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn another_client_ends_the_pause_after_a_refusal() {
        let handle = handle();
        handle.set_client(client());
        let refused: Option<()> = handle.scheduled(BackendCall::Peers, |_| ready(Err(unauthorized()))).await;
        assert_eq!(refused, None);
        let retry_at = handle.availability().retry_at(BackendCall::Peers).unwrap();
        let resting = handle.clone();
        let rest = tokio::spawn(async move { resting.rest_until(retry_at).await });
        tokio::task::yield_now().await;
        handle.set_client(client());
        rest.await.unwrap();
        assert!(Instant::now() < retry_at);
        assert_eq!(handle.scheduled(BackendCall::Peers, |_| ready(Ok(1))).await, Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn ready_returns_when_a_client_is_set() {
        let handle = handle();
        let waiting = handle.clone();
        let ready = tokio::spawn(async move { waiting.ready().await });
        tokio::task::yield_now().await;
        assert!(!ready.is_finished());
        handle.set_client(client());
        ready.await.unwrap();
    }
}
