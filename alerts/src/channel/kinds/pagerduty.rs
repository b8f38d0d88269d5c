//! PagerDuty: events of its API, version 2.

use serde_json::{Value, json};

use super::{signature, spec::Spec};
use crate::{
    Message, Severity,
    channel::{
        fault::Fault,
        field::{Field, Format, PROXY, Settings},
        guarantee::Guarantee,
        outgoing::HttpRequest,
    },
    layout,
};

/// The longest summary in characters, and the longest key of an incident in bytes.
const LONGEST_SUMMARY: usize = 1024;
const LONGEST_KEY: usize = 255;

/// The longest text of a detail, in characters.
const LONGEST_DETAIL: usize = 1000;

pub(crate) const PAGERDUTY: Spec = Spec {
    name: "pagerduty",
    about: "a service of PagerDuty",
    fields: &[
        Field::required("key", Format::Text, "the integration key of the service", "服务的 Integration Key").secret(),
        Field::optional(
            "server",
            Format::Url,
            "the server [default: https://events.pagerduty.com]",
            "服务器 [默认：https://events.pagerduty.com]",
        ),
        PROXY,
    ],
    // What is in an incident already changes nothing.
    guarantee: Guarantee::AtLeastOnce,
    check,
    request: |settings, message, _| {
        let url = settings.endpoint("server", "https://events.pagerduty.com", &["v2", "enqueue"])?;
        Ok(HttpRequest::json(url, &event(settings.text("key").trim(), message)).into())
    },
    verdict: |answer| answer.by_sign(|answer| answer.json().is_some_and(|json| json["status"] == "success")),
};

fn check(settings: &Settings) -> Result<(), (&'static str, Fault)> {
    match settings.text("key").trim().bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        true => Ok(()),
        false => Err(("key", Fault::new("it has letters and digits only", "只能包含字母和数字"))),
    }
}

fn event(key: &str, message: &Message) -> Value {
    let text = |text: &str| layout::one_line(text, LONGEST_DETAIL);
    let nodes: Vec<Value> = message
        .nodes
        .iter()
        .map(|node| json!({ "id": node.id, "name": text(&node.name), "what": text(&node.what) }))
        .collect();
    let links: Vec<Value> =
        layout::links(message).into_iter().map(|(label, url)| json!({ "href": url, "text": label })).collect();
    json!({
        "routing_key": key,
        "event_action": if message.is_end() { "resolve" } else { "trigger" },
        "dedup_key": match message.subject.len() {
            0..=LONGEST_KEY => message.subject.clone(),
            _ => signature::fingerprint(&message.subject),
        },
        "client": "EasyTier Uptime",
        "client_url": message.url,
        "links": links,
        "payload": {
            "summary": layout::one_line(&message.title, LONGEST_SUMMARY),
            "source": "easytier-uptime",
            "severity": match message.severity {
                Severity::Info => "info",
                Severity::Warning => "warning",
                Severity::Critical => "critical",
            },
            "timestamp": message.at.to_rfc3339(),
            "class": message.topic,
            "custom_details": {
                "lines": message.lines.iter().map(|line| text(line)).collect::<Vec<_>>(),
                "nodes": nodes,
            },
        },
    })
}
