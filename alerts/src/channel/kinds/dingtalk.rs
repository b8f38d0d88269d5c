//! DingTalk (钉钉): a robot of a group, with a signature.

use serde_json::json;

use super::{
    signature,
    spec::{Spec, no_more},
};
use crate::{
    channel::{
        answer::Codes,
        field::{Field, Format, PROXY},
        guarantee::Guarantee,
        outgoing::HttpRequest,
    },
    layout::{self, PLAIN},
};

/// The longest text, in bytes of JSON; a request may have 20,000.
const LONGEST: usize = 12_000;

/// Busy, and the two limits of messages in a minute.
const CODES: Codes = Codes { at: &["/errcode"], taken: 0, later: &[-1, 130_101, 410_100] };

pub(crate) const DINGTALK: Spec = Spec {
    name: "dingtalk",
    about: "a robot of DingTalk",
    fields: &[
        Field::required(
            "url",
            Format::Url,
            "the URL of the robot, with its access_token",
            "机器人的 Webhook 地址，含 access_token",
        )
        .secret(),
        Field::optional(
            "secret",
            Format::Text,
            "the secret of its signature (加签), which begins with SEC",
            "加签密钥，以 SEC 开头",
        )
        .secret(),
        PROXY,
    ],
    guarantee: Guarantee::AtMostOnce,
    check: no_more,
    request: |settings, message, now| {
        let mut url = settings.url("url", "")?;
        if let Some(secret) = settings.get("secret") {
            let secret = secret.trim();
            let timestamp = now.timestamp_millis().to_string();
            let sign = signature::base64(secret.as_bytes(), format!("{timestamp}\n{secret}").as_bytes());
            url.query_pairs_mut().append_pair("timestamp", &timestamp).append_pair("sign", &sign);
        }
        let markup = layout::Markup { length: layout::json_bytes, ..PLAIN };
        // Its Markdown has no escapes, so the text is plain.
        let body = json!({
            "msgtype": "text",
            "text": { "content": layout::whole(message, &markup, LONGEST) },
            "at": { "isAtAll": false },
        });
        Ok(HttpRequest::json(url, &body).into())
    },
    verdict: |answer| answer.by_code(&CODES),
};
