//! Slack: an incoming webhook. The text is a block of rich text, in which nothing is markup.

use serde_json::{Value, json};

use super::spec::{Spec, no_more};
use crate::{
    Message,
    channel::{
        field::{Field, Format, PROXY},
        guarantee::Guarantee,
        outgoing::HttpRequest,
    },
    layout::{self, PLAIN},
};

/// The longest title and text, in characters, so that people see all of it.
const LONGEST_TITLE: usize = 150;
const LONGEST_TEXT: usize = 3000;

pub(crate) const SLACK: Spec = Spec {
    name: "slack",
    about: "an incoming webhook of Slack",
    fields: &[
        Field::required("url", Format::Url, "the URL of the incoming webhook", "Incoming Webhook 的 URL").secret(),
        PROXY,
    ],
    guarantee: Guarantee::AtMostOnce,
    check: no_more,
    request: |settings, message, _| {
        let markup = layout::Markup { length: layout::characters, ..PLAIN };
        let title = layout::title(message, &markup, LONGEST_TITLE);
        let without_links = Message { url: None, acknowledge: None, ..message.clone() };
        let text = layout::body(&without_links, &markup, LONGEST_TEXT);
        let mut elements = vec![json!({ "type": "text", "text": title, "style": { "bold": true } })];
        if !text.is_empty() {
            elements.push(text_element(&format!("\n\n{text}")));
        }
        for (at, (label, url)) in layout::links(message).into_iter().enumerate() {
            elements.push(text_element(if at == 0 { "\n\n" } else { " · " }));
            elements.push(json!({ "type": "link", "url": url, "text": label }));
        }
        let section = json!({ "type": "rich_text_section", "elements": elements });
        let body = json!({
            // What notifications show.
            "text": escaped(&title),
            "mrkdwn": false,
            "blocks": [{ "type": "rich_text", "elements": [section] }],
            "unfurl_links": false,
            "unfurl_media": false,
        });
        Ok(HttpRequest::json(settings.url("url", "")?, &body).into())
    },
    verdict: |answer| answer.by_sign(|answer| answer.body.trim_ascii() == b"ok"),
};

fn text_element(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

/// The three characters that Slack wants escaped in texts that may be markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
