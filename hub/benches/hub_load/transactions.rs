//! Counts the transactions in which a hub stores results, by their log lines. Otherwise it logs like a hub.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets, filter_fn},
    layer::{Context, SubscriberExt},
    util::SubscriberInitExt,
};

static COUNT: AtomicUsize = AtomicUsize::new(0);

struct Counter;

impl<S: Subscriber> Layer<S> for Counter {
    fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
        COUNT.fetch_add(1, Relaxed);
    }
}

fn is_transaction_event(metadata: &Metadata<'_>) -> bool {
    metadata.target() == "easytier_uptime_store::store::ingest::queue" && *metadata.level() == Level::DEBUG
}

/// Starts to count.
pub fn count() {
    // Leaves out PostgreSQL's notices, which the driver logs.
    let shown = Targets::new().with_default(LevelFilter::INFO).with_target("sqlx", LevelFilter::WARN);
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(shown);
    tracing_subscriber::registry().with(log).with(Counter.with_filter(filter_fn(is_transaction_event))).init();
}

pub fn counted() -> usize {
    COUNT.load(Relaxed)
}
