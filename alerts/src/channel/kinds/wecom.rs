//! WeCom (企业微信): a robot of a group.

use serde_json::json;

use super::spec::{Spec, no_more};
use crate::{
    channel::{
        answer::Codes,
        field::{Field, Format, PROXY},
        guarantee::Guarantee,
        outgoing::HttpRequest,
    },
    layout::{self, PLAIN},
};

/// The longest text, in bytes of UTF-8.
const LONGEST: usize = 2048;

/// Busy, and too many messages in a minute.
const CODES: Codes = Codes { at: &["/errcode"], taken: 0, later: &[-1, 45_009, 45_033] };

pub(crate) const WECOM: Spec = Spec {
    name: "wecom",
    about: "a robot of WeCom",
    fields: &[
        Field::required("url", Format::Url, "the URL of the robot, with its key", "群机器人的 Webhook 地址，含 key")
            .secret(),
        PROXY,
    ],
    guarantee: Guarantee::AtMostOnce,
    check: no_more,
    request: |settings, message, _| {
        // Its Markdown has no escapes, so the text is plain.
        let body = json!({
            "msgtype": "text",
            "text": { "content": layout::whole(message, &PLAIN, LONGEST), "mentioned_list": [] },
        });
        Ok(HttpRequest::json(settings.url("url", "")?, &body).into())
    },
    verdict: |answer| answer.by_code(&CODES),
};
