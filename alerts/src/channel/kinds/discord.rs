//! Discord: a webhook of a channel.

use serde_json::json;

use super::spec::{Spec, no_more};
use crate::{
    Severity, Topic,
    channel::{
        field::{Field, Format, PROXY},
        guarantee::Guarantee,
        outgoing::HttpRequest,
    },
    layout,
};

/// The longest title and text of an embed, in units of UTF-16; together they are below the limit of 6,000.
const LONGEST_TITLE: usize = 256;
const LONGEST_TEXT: usize = 4096;

pub(crate) const DISCORD: Spec = Spec {
    name: "discord",
    about: "a webhook of Discord",
    fields: &[
        Field::required("url", Format::Url, "the URL of the webhook", "Webhook 的 URL").secret(),
        Field::optional("thread", Format::Number, "the thread in a forum channel", "论坛频道的子区 ID"),
        PROXY,
    ],
    guarantee: Guarantee::AtMostOnce,
    check: no_more,
    request: |settings, message, _| {
        let mut url = settings.url("url", "")?;
        // Without it Discord answers before it knows whether it takes the message.
        url.query_pairs_mut().append_pair("wait", "true");
        if let Some(thread) = settings.get("thread") {
            url.query_pairs_mut().append_pair("thread_id", thread.trim());
        }
        let mut embed = json!({
            "title": layout::title(message, &layout::DISCORD, LONGEST_TITLE),
            "timestamp": message.at.to_rfc3339(),
            "color": color(message.topic, message.severity),
        });
        let text = layout::body(message, &layout::DISCORD, LONGEST_TEXT);
        if !text.is_empty() {
            embed["description"] = json!(text);
        }
        if let Some(page) = &message.url {
            embed["url"] = json!(page);
        }
        let body = json!({ "embeds": [embed], "allowed_mentions": { "parse": [] } });
        Ok(HttpRequest::json(url, &body).into())
    },
    verdict: |answer| answer.by_member("/id"),
};

fn color(topic: Topic, severity: Severity) -> u32 {
    match (topic, severity) {
        (Topic::Recovery, _) => 0x2e_a0_43,
        (_, Severity::Critical) => 0xd7_3a_49,
        (_, Severity::Warning) => 0xdb_ab_09,
        (_, Severity::Info) => 0x6a_73_7d,
    }
}
