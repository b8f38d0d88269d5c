//! Feishu (飞书) and Lark: a robot of a group, with a signature. The message is a card of plain texts and buttons.

use serde_json::{Value, json};

use super::{
    signature,
    spec::{Spec, no_more},
};
use crate::{
    Message, Severity, Topic,
    channel::{
        answer::Codes,
        field::{Field, Format, PROXY},
        guarantee::Guarantee,
        outgoing::HttpRequest,
    },
    layout::{self, PLAIN},
};

/// The longest title and text, in bytes of JSON; a request may have 20 KB.
const LONGEST_TITLE: usize = 600;
const LONGEST_TEXT: usize = 12_000;

/// Newer robots answer with `code`, older ones with `StatusCode`. Busy, and the limits of messages in a minute.
const CODES: Codes = Codes { at: &["/code", "/StatusCode"], taken: 0, later: &[9_429, 11_232, 11_233, 99_991_400] };

pub(crate) const FEISHU: Spec = Spec {
    name: "feishu",
    about: "a robot of Feishu or Lark",
    fields: &[
        Field::required("url", Format::Url, "the URL of the robot", "自定义机器人的 Webhook 地址").secret(),
        Field::optional("secret", Format::Text, "the secret of its signature (签名校验)", "签名校验的密钥").secret(),
        PROXY,
    ],
    guarantee: Guarantee::AtMostOnce,
    check: no_more,
    request: |settings, message, now| {
        let mut body = json!({ "msg_type": "interactive", "card": card(message) });
        if let Some(secret) = settings.get("secret") {
            let timestamp = now.timestamp().to_string();
            // The text is the key here, and nothing is signed with it.
            let sign = signature::base64(format!("{timestamp}\n{}", secret.trim()).as_bytes(), b"");
            body["timestamp"] = json!(timestamp);
            body["sign"] = json!(sign);
        }
        Ok(HttpRequest::json(settings.url("url", "")?, &body).into())
    },
    verdict: |answer| answer.by_code(&CODES),
};

fn card(message: &Message) -> Value {
    let markup = layout::Markup { length: layout::json_bytes, ..PLAIN };
    let without_links = Message { url: None, acknowledge: None, ..message.clone() };
    let title = layout::title(message, &markup, LONGEST_TITLE);
    let text = match layout::body(&without_links, &markup, LONGEST_TEXT) {
        // A card has something below its header.
        text if text.is_empty() => title.clone(),
        text => text,
    };
    let mut elements = vec![json!({ "tag": "div", "text": plain(&text) })];
    let buttons: Vec<Value> = layout::links(message)
        .into_iter()
        .map(|(label, url)| json!({ "tag": "button", "text": plain(label), "url": url, "type": "default" }))
        .collect();
    if !buttons.is_empty() {
        elements.push(json!({ "tag": "action", "actions": buttons }));
    }
    json!({
        "config": { "wide_screen_mode": true },
        "header": {
            "title": plain(&title),
            "template": match (message.topic, message.severity) {
                (Topic::Recovery, _) => "green",
                (_, Severity::Critical) => "red",
                (_, Severity::Warning) => "orange",
                (_, Severity::Info) => "blue",
            },
        },
        "elements": elements,
    })
}

fn plain(text: &str) -> Value {
    json!({ "tag": "plain_text", "content": text })
}
