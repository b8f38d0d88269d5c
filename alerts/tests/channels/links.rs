//! The link by which a reader acknowledges: every service is sent it whole.

use easytier_uptime_alerts::{Message, Outcome};
use serde_json::Value;
use url::Url;

use crate::{
    fake::Fake,
    messages::outage,
    services::answer,
    settings::{channel, sender, web_kinds},
};

/// With all characters that tokens have, and some that are markup elsewhere.
const LINK: &str = "https://uptime.example/alerts?token=AZ_x-_y_--__09";

/// All texts in a document.
fn texts(json: &Value) -> Vec<&str> {
    match json {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(items) => items.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

#[tokio::test]
async fn every_service_is_sent_the_link_to_acknowledge() {
    let sender = sender();
    for kind in web_kinds() {
        let fake = Fake::start(move |received| answer(kind, received)).await;
        let without = Message { acknowledge: None, ..outage() };
        let with = Message { acknowledge: Some(Url::parse(LINK).unwrap()), ..outage() };
        assert_eq!(sender.send(&channel(kind, &fake.url), &with).await, Outcome::Delivered, "{kind:?}");
        let sent = fake.only().json();
        let texts = texts(&sent);
        assert!(texts.iter().any(|text| text.contains(LINK)), "{kind:?}: {sent}");
        let fake = Fake::start(move |received| answer(kind, received)).await;
        assert_eq!(sender.send(&channel(kind, &fake.url), &without).await, Outcome::Delivered, "{kind:?}");
        assert!(!fake.only().text().contains("/alerts"), "{kind:?}");
    }
}
