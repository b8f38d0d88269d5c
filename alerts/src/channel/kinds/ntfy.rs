//! ntfy: a JSON document that is published to a topic.

use serde_json::{Value, json};

use super::spec::Spec;
use crate::{
    Message, Severity,
    channel::{
        fault::Fault,
        field::{Field, Format, PROXY, Settings},
        guarantee::Guarantee,
        outgoing::HttpRequest,
    },
    layout::{self, PLAIN},
};

/// The longest title and text, in bytes: ntfy makes an attachment of a text above 4,096.
const LONGEST_TITLE: usize = 250;
const LONGEST_TEXT: usize = 3800;

pub(crate) const NTFY: Spec = Spec {
    name: "ntfy",
    about: "a topic of ntfy",
    fields: &[
        Field::required("topic", Format::Text, "the topic; who knows it can read it", "主题；知道主题名的人都能订阅")
            .secret(),
        Field::optional(
            "server",
            Format::Url,
            "the server [default: https://ntfy.sh]",
            "服务器 [默认：https://ntfy.sh]",
        ),
        Field::optional("token", Format::Text, "an access token, for a protected topic", "访问令牌，用于受保护的主题")
            .secret(),
        PROXY,
    ],
    guarantee: Guarantee::AtMostOnce,
    check,
    request: |settings, message, _| {
        // The buttons hold the links.
        let without_links = Message { url: None, acknowledge: None, ..message.clone() };
        let mut body = json!({
            "topic": settings.text("topic").trim(),
            "title": layout::title(message, &PLAIN, LONGEST_TITLE),
            "message": layout::body(&without_links, &PLAIN, LONGEST_TEXT),
            "priority": match message.severity {
                Severity::Info => 3,
                Severity::Warning => 4,
                Severity::Critical => 5,
            },
            "actions": layout::links(message)
                .into_iter()
                .map(|(label, url)| json!({ "action": "view", "label": label, "url": url }))
                .collect::<Vec<Value>>(),
        });
        if let Some(url) = &message.url {
            body["click"] = json!(url);
        }
        let request = HttpRequest::json(settings.url("server", "https://ntfy.sh")?, &body);
        Ok(match settings.get("token") {
            Some(token) => request.with_header("Authorization", format!("Bearer {}", token.trim())),
            None => request,
        }
        .into())
    },
    verdict: |answer| answer.by_member("/id"),
};

fn check(settings: &Settings) -> Result<(), (&'static str, Fault)> {
    let topic = settings.text("topic").trim();
    if topic.len() > 64 || !topic.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
        return Err((
            "topic",
            Fault::new("it has at most 64 letters, digits, _ and -", "最多 64 个字符，只能包含字母、数字、_ 和 -"),
        ));
    }
    Ok(())
}
