//! Bark: a push to an iPhone.

use serde_json::json;

use super::spec::{Spec, no_more};
use crate::{
    Severity,
    channel::{
        answer::Codes,
        field::{Field, Format, PROXY},
        guarantee::Guarantee,
        outgoing::HttpRequest,
    },
    layout::{self, PLAIN},
};

/// The longest title and text, in bytes of JSON: Apple takes 4 KiB, with all that surrounds them.
const LONGEST_TITLE: usize = 300;
const LONGEST_TEXT: usize = 2500;

const CODES: Codes = Codes { at: &["/code"], taken: 200, later: &[500] };

pub(crate) const BARK: Spec = Spec {
    name: "bark",
    about: "an iPhone with Bark",
    fields: &[
        Field::required("key", Format::Text, "the key of the device", "设备的 Key").secret(),
        Field::optional(
            "server",
            Format::Url,
            "the server [default: https://api.day.app]",
            "服务器 [默认：https://api.day.app]",
        ),
        Field::optional("sound", Format::Text, "the sound", "提示音"),
        PROXY,
    ],
    guarantee: Guarantee::AtMostOnce,
    check: no_more,
    request: |settings, message, _| {
        let markup = layout::Markup { length: layout::json_bytes, ..PLAIN };
        // The push itself is a link.
        let shown = crate::Message { url: None, acknowledge: None, ..message.clone() };
        let title = layout::title(message, &markup, LONGEST_TITLE);
        let text = match layout::body(&shown, &markup, LONGEST_TEXT) {
            // It takes no push without a text.
            text if text.is_empty() => title.clone(),
            text => text,
        };
        let mut body = json!({
            "device_key": settings.text("key").trim(),
            "title": title,
            "body": text,
            "group": "EasyTier",
            "level": match message.severity {
                Severity::Info => "active",
                Severity::Warning | Severity::Critical => "timeSensitive",
            },
            // A push with the same id takes the place of the one before.
            "id": message.id,
        });
        if let Some(url) = message.acknowledge.as_ref().or(message.url.as_ref()) {
            body["url"] = json!(url);
        }
        if let Some(sound) = settings.get("sound") {
            body["sound"] = json!(sound);
        }
        Ok(HttpRequest::json(settings.endpoint("server", "https://api.day.app", &["push"])?, &body).into())
    },
    verdict: |answer| answer.by_code(&CODES),
};
