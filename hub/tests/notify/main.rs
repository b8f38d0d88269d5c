//! Alerts: from a change to a message at a channel.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

#[path = "../support/http.rs"]
mod http;
#[path = "../support/hub.rs"]
mod hub;
#[path = "../support/outage.rs"]
mod outage;
#[path = "../../../store/tests/support/mod.rs"]
mod support;

mod causes;
mod deliver;
mod end_to_end;
mod incidents;
mod levels;
mod links;
mod mirror;
mod plan;
mod receiver;
mod scene;
mod subscriptions;
mod use_cases;

use std::sync::Arc;

use easytier_uptime_alerts::{Change, Rule};
use easytier_uptime_hub::{
    notify::Channels,
    service::alerts::{Alerts, NewChannel},
};
use easytier_uptime_store::Store;
use uuid::Uuid;

/// The use cases of alerts on a store.
fn alerts(store: &Store) -> Alerts {
    Alerts::new(store.clone(), Arc::new(Channels::default()))
}

/// Adds a channel to a web server.
async fn add_channel(store: &Store, name: &str, url: &str) {
    let settings = [("url".to_owned(), url.to_owned())].into();
    let new = NewChannel { name: name.into(), kind: "webhook".into(), settings };
    alerts(store).add_channel(new).await.unwrap();
}

/// Adds a rule to a channel.
async fn add_rule(store: &Store, channel: &str, on: &[Change]) -> Rule {
    let version_below = on.contains(&Change::Version).then(|| "2.4.0".parse().unwrap());
    let rule = Rule { on: on.iter().copied().collect(), version_below, ..Rule::new(Uuid::now_v7()) };
    alerts(store).put_rule(channel, rule.clone()).await.unwrap();
    rule
}
