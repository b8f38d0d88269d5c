//! Sends the metrics to the collector now and then.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use http::{Method, Request, header};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use prost::Message;
use tokio::{
    runtime::Handle,
    sync::oneshot,
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use super::{otlp, text};
use crate::{client::Client, settings::Signal};

type Reading = Pin<Box<dyn Future<Output = Option<String>> + Send>>;

type Read = dyn Fn() -> Reading + Send + Sync;

/// Where the text of the metrics comes from, as soon as something of this process has metrics.
#[derive(Clone, Default)]
pub(crate) struct Source(Arc<Mutex<Option<Arc<Read>>>>);

impl Source {
    pub fn set<F>(&self, source: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Option<String>> + Send + 'static,
    {
        let source = Arc::new(move || Box::pin(source()) as Reading);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
    }

    async fn read(&self) -> Option<String> {
        let source = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        source?().await
    }
}

/// What is sent, where to, and how often.
pub(crate) struct Push {
    pub client: Client,
    pub signal: Signal,
    pub source: Source,
    pub interval: Duration,
}

/// A push that runs.
pub(crate) struct Pushing {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Pushing {
    /// Sends the metrics once more.
    pub async fn finish(self) {
        // The task ends at nothing else.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

impl Push {
    /// Sends the metrics of the process `resource`, at the interval and when it is finished.
    pub fn start(self, resource: ResourceAttributesWithSchema, runtime: &Handle) -> Pushing {
        let (stop, stopped) = oneshot::channel();
        Pushing { stop, task: runtime.spawn(self.run(resource, stopped)) }
    }

    async fn run(self, resource: ResourceAttributesWithSchema, mut stopped: oneshot::Receiver<()>) {
        let from = now();
        let mut due = interval(self.interval);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first one is now, when there is nothing to tell.
        due.tick().await;
        loop {
            let is_last = tokio::select! {
                _ = due.tick() => false,
                _ = &mut stopped => true,
            };
            self.push(&resource, from).await;
            if is_last {
                return;
            }
        }
    }

    async fn push(&self, resource: &ResourceAttributesWithSchema, from: u64) {
        let Some(text) = self.source.read().await else { return };
        let body = otlp::request(resource, text::read(&text), otlp::Times { from, at: now() }).encode_to_vec();
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.signal.url.as_str())
            .header(header::CONTENT_TYPE, "application/x-protobuf")
            .body(body.into());
        if let Ok(request) = request {
            // The client says what is wrong; the next metrics have what these had.
            let _ = self.client.send(request).await;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "values have the time of the collector's clock")]
fn now() -> u64 {
    otlp::nanoseconds(SystemTime::now())
}
