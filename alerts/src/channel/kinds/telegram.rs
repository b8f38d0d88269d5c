//! Telegram: `sendMessage` of the Bot API.

use serde_json::json;

use super::spec::Spec;
use crate::{
    Severity,
    channel::{
        fault::Fault,
        field::{Field, Format, PROXY, Settings},
        guarantee::Guarantee,
        outgoing::HttpRequest,
    },
    layout::{self, HTML_WITH_LINES},
};

/// The longest text, in units of UTF-16. Telegram counts what is left of the HTML, which is less.
const LONGEST: usize = 4096;

const FIELDS: &[Field] = &[
    Field::required(
        "token",
        Format::Text,
        "the token of the bot, from @BotFather",
        "机器人的 token，由 @BotFather 提供",
    )
    .secret(),
    Field::required(
        "chat",
        Format::Text,
        "the chat: its number, or @name of a public channel",
        "会话的数字 ID，或公开频道的 @名称",
    ),
    Field::optional("thread", Format::Number, "the topic in a group with topics", "群组话题的 ID"),
    Field::optional(
        "server",
        Format::Url,
        "the server of the Bot API [default: https://api.telegram.org]",
        "Bot API 的地址 [默认：https://api.telegram.org]",
    ),
    PROXY,
];

pub(crate) const TELEGRAM: Spec = Spec {
    name: "telegram",
    about: "a chat of Telegram, by a bot",
    fields: FIELDS,
    guarantee: Guarantee::AtMostOnce,
    check,
    request: |settings, message, _| {
        let bot = format!("bot{}", settings.text("token"));
        let url = settings.endpoint("server", "https://api.telegram.org", &[&bot, "sendMessage"])?;
        let mut body = json!({
            "chat_id": settings.text("chat"),
            "text": layout::whole(message, &HTML_WITH_LINES, LONGEST),
            "parse_mode": "HTML",
            "link_preview_options": { "is_disabled": true },
            "disable_notification": message.severity == Severity::Info,
        });
        if let Some(thread) = settings.get("thread").and_then(|thread| thread.trim().parse::<u32>().ok()) {
            body["message_thread_id"] = json!(thread);
        }
        Ok(HttpRequest::json(url, &body).into())
    },
    verdict: |answer| answer.by_sign(|answer| answer.json().is_some_and(|json| json["ok"] == true)),
};

fn check(settings: &Settings) -> Result<(), (&'static str, Fault)> {
    let (bot, key) = settings.text("token").split_once(':').unwrap_or_default();
    let is_digits = !bot.is_empty() && bot.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits || key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
        return Err(("token", Fault::new("it is not like 123456:ABC-DEF", "格式应如 123456:ABC-DEF")));
    }
    Ok(())
}
