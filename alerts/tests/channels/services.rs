//! The services, as far as they check what comes. Each returns the text that a reader would see, or how the real one refuses.

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::Utc;
use easytier_uptime_alerts::{ChannelKind, Outcome};
use ring::hmac;
use serde_json::{Value, json};

use crate::{
    fake::{Fake, Received, Reply, reply},
    messages::{hostile, huge, outage},
    settings::{SECRET, TOKEN, channel, sender, web_kinds},
    texts,
};

/// Answers as the service of this kind does.
pub fn answer(kind: ChannelKind, received: &Received) -> Reply {
    let seen = seen(kind, received);
    match (kind, seen) {
        (ChannelKind::Telegram, Ok(_)) => reply(200, r#"{"ok":true,"result":{"message_id":1}}"#),
        (ChannelKind::Telegram, Err(why)) => {
            reply(400, json!({ "ok": false, "error_code": 400, "description": why }).to_string())
        }
        (ChannelKind::DingTalk | ChannelKind::WeCom, Ok(_)) => reply(200, r#"{"errcode":0,"errmsg":"ok"}"#),
        (ChannelKind::DingTalk | ChannelKind::WeCom, Err(why)) => {
            reply(200, json!({ "errcode": 310_000, "errmsg": why }).to_string())
        }
        (ChannelKind::Feishu, Ok(_)) => reply(200, r#"{"code":0,"msg":"success","data":{}}"#),
        (ChannelKind::Feishu, Err(why)) => reply(200, json!({ "code": 19021, "msg": why }).to_string()),
        (ChannelKind::Bark, Ok(_)) => reply(200, r#"{"code":200,"message":"success","timestamp":1}"#),
        (ChannelKind::ServerChan, Ok(_)) => reply(200, r#"{"code":0,"message":"","data":{"errno":0}}"#),
        (ChannelKind::Slack, Ok(_)) => reply(200, "ok"),
        (ChannelKind::PagerDuty, Ok(_)) => reply(202, r#"{"status":"success","message":"Event processed"}"#),
        (ChannelKind::Discord | ChannelKind::Ntfy, Ok(_)) => reply(200, r#"{"id":"1"}"#),
        (ChannelKind::Matrix, Ok(_)) => reply(200, r#"{"event_id":"$1"}"#),
        (_, Ok(_)) => reply(200, ""),
        (_, Err(why)) => reply(400, json!({ "message": why }).to_string()),
    }
}

type Seen = Result<String, String>;

fn check(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

fn text<'a>(json: &'a Value, pointer: &str) -> Result<&'a str, String> {
    json.pointer(pointer).and_then(Value::as_str).ok_or_else(|| format!("{pointer} is no text"))
}

fn length(json: &Value, pointer: &str, longest: usize) -> Result<(), String> {
    let length = text(json, pointer)?.encode_utf16().count();
    check((1..=longest).contains(&length), &format!("{pointer} has the length {length}"))
}

/// The text that a reader sees, or what the service objects to.
pub fn seen(kind: ChannelKind, received: &Received) -> Seen {
    let put = matches!(kind, ChannelKind::Matrix);
    check(received.method == if put { "PUT" } else { "POST" }, "the method is wrong")?;
    check(received.header("content-type").starts_with("application/json"), "it is not JSON")?;
    let json: Value = serde_json::from_slice(&received.body).map_err(|error| error.to_string())?;
    match kind {
        ChannelKind::Webhook => webhook(received, &json),
        ChannelKind::Mail => unreachable!("a mail is no request"),
        ChannelKind::Telegram => telegram(received, &json),
        ChannelKind::Discord => discord(received, &json),
        ChannelKind::Slack => slack(received, &json),
        ChannelKind::Matrix => matrix(received, &json),
        ChannelKind::Ntfy => ntfy(received, &json),
        ChannelKind::Bark => bark(received, &json),
        ChannelKind::ServerChan => serverchan(received, &json),
        ChannelKind::DingTalk => dingtalk(received, &json),
        ChannelKind::WeCom => wecom(received, &json),
        ChannelKind::Feishu => feishu(received, &json),
        ChannelKind::Alertmanager => alertmanager(received, &json),
        ChannelKind::PagerDuty => pagerduty(received, &json),
    }
}

fn webhook(received: &Received, json: &Value) -> Seen {
    check(received.path == "/hook/abc123secret", "no such hook")?;
    let (time, code) = received.header("x-uptime-signature").split_once(',').ok_or("no signature")?;
    let time = time.strip_prefix("t=").ok_or("no time")?;
    let code = code.strip_prefix("v1=").ok_or("no code")?;
    let age = Utc::now().timestamp() - time.parse::<i64>().map_err(|_| "the time is no number")?;
    check((0..300).contains(&age), "the signature is old")?;
    let code = data(code).ok_or("the code is not hexadecimal")?;
    let signed = [time.as_bytes(), b".", &received.body].concat();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    hmac::verify(&key, &signed, &code).map_err(|_| "the signature is wrong")?;
    check(received.header("idempotency-key") == text(json, "/id")?, "the key is not the id")?;
    Ok(texts::all(json))
}

fn data(hex: &str) -> Option<Vec<u8>> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
}

fn telegram(received: &Received, json: &Value) -> Seen {
    check(received.path == format!("/bot{TOKEN}/sendMessage"), "Not Found")?;
    check(json["chat_id"] == "-100123" && json["parse_mode"] == "HTML", "Bad Request: chat not found")?;
    check(json["link_preview_options"]["is_disabled"] == true, "a preview would follow links")?;
    let text = texts::html(text(json, "/text")?, &["b", "a"])?;
    check((1..=4096).contains(&text.encode_utf16().count()), "Bad Request: message is too long")?;
    Ok(text)
}

fn discord(received: &Received, json: &Value) -> Seen {
    check(received.path == "/api/webhooks/11/wh-secret-token", "Unknown Webhook")?;
    check(received.query.get("wait").is_some_and(|wait| wait == "true"), "it does not wait")?;
    check(json["allowed_mentions"] == json!({ "parse": [] }), "mentions are allowed")?;
    length(json, "/embeds/0/title", 256)?;
    let description = json["embeds"][0].get("description");
    if description.is_some() {
        length(json, "/embeds/0/description", 4096)?;
    }
    check(json["embeds"][0]["color"].is_u64(), "the color is no number")?;
    let title = texts::backslashed(text(json, "/embeds/0/title")?)?;
    Ok(format!("{title}\n{}", texts::backslashed(description.and_then(Value::as_str).unwrap_or_default())?))
}

fn slack(received: &Received, json: &Value) -> Seen {
    check(received.path == "/services/T000/B000/slacksecret", "no_service")?;
    check(json["unfurl_links"] == false && json["mrkdwn"] == false, "the text is markup")?;
    let fallback = text(json, "/text")?;
    check(!fallback.contains(['<', '>']), "the fallback has markup")?;
    check(json["blocks"][0]["type"] == "rich_text", "no rich text")?;
    let section = &json["blocks"][0]["elements"][0];
    check(section["type"] == "rich_text_section", "no section")?;
    let mut seen = String::new();
    for element in section["elements"].as_array().ok_or("no elements")? {
        let kind = text(element, "/type")?;
        check(kind == "text" || (kind == "link" && element["url"].is_string()), "invalid_blocks")?;
        let text = text(element, "/text")?;
        check(!text.is_empty(), "invalid_blocks")?;
        seen += text;
    }
    check(seen.encode_utf16().count() <= 4000, "msg_too_long")?;
    Ok(seen)
}

fn matrix(received: &Received, json: &Value) -> Seen {
    let path = "/_matrix/client/v3/rooms/!r%2Foom:example.org/send/m.room.message/";
    let transaction = received.path.strip_prefix(path).ok_or("M_UNRECOGNIZED")?;
    check(transaction == outage().id.to_string(), "the transaction is not the message")?;
    check(received.header("authorization") == "Bearer syt_secret_token", "M_UNKNOWN_TOKEN")?;
    check(received.body.len() < 60_000, "M_TOO_LARGE")?;
    check(json["msgtype"] == "m.text" && json["format"] == "org.matrix.custom.html", "M_BAD_JSON")?;
    check(json["m.mentions"] == json!({}), "somebody may be mentioned")?;
    let formatted = text(json, "/formatted_body")?;
    check(!formatted.contains('\n'), "lines are elements")?;
    let html = texts::html(formatted, &["b", "a", "br"])?;
    Ok(format!("{}\n{html}", text(json, "/body")?))
}

fn ntfy(received: &Received, json: &Value) -> Seen {
    check(received.path == "/" && json["topic"] == "uptime-topic", "page not found")?;
    check(received.header("authorization") == "Bearer tk_secret", "unauthorized")?;
    check(json["priority"] == 5, "the priority is wrong")?;
    let (title, message) = (text(json, "/title")?, text(json, "/message")?);
    check(!title.is_empty() && title.len() <= 256 && message.len() <= 4096, "attachment not allowed")?;
    let actions = json["actions"].as_array().ok_or("no actions")?;
    check(actions.len() <= 3, "too many actions")?;
    let actions: Result<Vec<&str>, String> = actions.iter().map(|action| text(action, "/label")).collect();
    Ok(format!("{title}\n{message}\n{}", actions?.join("\n")))
}

fn bark(received: &Received, json: &Value) -> Seen {
    check(received.path == "/push" && json["device_key"] == "barkdevicekey", "failed to get device token")?;
    // What Apple takes, with what the server adds.
    check(received.body.len() < 3800, "push failed: PayloadTooLarge")?;
    length(json, "/body", 4096)?;
    check(json["id"] == outage().id.to_string(), "the id is not the message")?;
    Ok(format!("{}\n{}", text(json, "/title")?, text(json, "/body")?))
}

fn serverchan(received: &Received, json: &Value) -> Seen {
    check(received.path == "/SCT123abcDEF.send", "[AUTH]")?;
    let (title, text) = (text(json, "/title")?, text(json, "/desp")?);
    check((1..=32).contains(&title.chars().count()), "the title is too long")?;
    check(text.len() <= 32 * 1024, "the text is too long")?;
    Ok(format!("{title}\n{}", texts::markdown(text)?))
}

/// Whether the time and the signature of a robot are right.
fn signed(timestamp: i64, now: i64, longest: i64, key: &str, text: &str, sign: &str) -> Result<(), String> {
    check((0..longest).contains(&(now - timestamp)), "timestamp is not valid")?;
    let code = STANDARD.decode(sign).map_err(|_| "sign is not Base64")?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    hmac::verify(&key, text.as_bytes(), &code).map_err(|_| "sign not match".to_owned())
}

fn dingtalk(received: &Received, json: &Value) -> Seen {
    check(received.query.get("access_token").is_some_and(|token| token == "dingsecrettoken"), "token is not exist")?;
    let (timestamp, sign) = received.query.get("timestamp").zip(received.query.get("sign")).ok_or("no sign")?;
    let number = timestamp.parse().map_err(|_| "timestamp is no number")?;
    signed(number, Utc::now().timestamp_millis(), 3_600_000, SECRET, &format!("{timestamp}\n{SECRET}"), sign)?;
    check(received.body.len() <= 20_000, "the request is too long")?;
    check(json["msgtype"] == "text" && json["at"]["isAtAll"] == false, "somebody is mentioned")?;
    Ok(text(json, "/text/content")?.to_owned())
}

fn wecom(received: &Received, json: &Value) -> Seen {
    check(received.query.get("key").is_some_and(|key| key == "wecom-secret-key"), "invalid webhook url")?;
    check(json["msgtype"] == "text" && json["text"]["mentioned_list"] == json!([]), "somebody is mentioned")?;
    let text = text(json, "/text/content")?;
    check(text.len() <= 2048, "content size out of limit")?;
    Ok(text.to_owned())
}

fn feishu(received: &Received, json: &Value) -> Seen {
    check(
        received.path == "/open-apis/bot/v2/hook/feishu-secret",
        "param invalid: incoming webhook access token invalid",
    )?;
    check(received.body.len() <= 20_000, "Bad Request")?;
    let timestamp = text(json, "/timestamp")?;
    let number = timestamp.parse().map_err(|_| "timestamp is no number")?;
    signed(number, Utc::now().timestamp(), 3600, &format!("{timestamp}\n{SECRET}"), "", text(json, "/sign")?)?;
    check(json["msg_type"] == "interactive", "no card")?;
    check(!json["card"].to_string().contains("lark_md"), "the card has markup")?;
    length(json, "/card/elements/0/text/content", 20_000)?;
    let mut seen = vec![text(json, "/card/header/title/content")?];
    for element in json["card"]["elements"].as_array().ok_or("no elements")? {
        if let Some(text) = element.pointer("/text/content").and_then(Value::as_str) {
            seen.push(text);
        }
        for action in element["actions"].as_array().into_iter().flatten() {
            check(action["url"].as_str().is_some_and(|url| url.starts_with("https://")), "no URL")?;
            seen.push(text(action, "/text/content")?);
        }
    }
    Ok(seen.join("\n"))
}

fn alertmanager(received: &Received, json: &Value) -> Seen {
    check(received.path == "/api/v2/alerts", "not found")?;
    let alert = &json[0];
    for label in alert["labels"].as_object().ok_or("no labels")? {
        check(label.1.as_str().is_some_and(|value| !value.is_empty()), "empty label")?;
    }
    let time = |name: &str| text(alert, name)?.parse::<chrono::DateTime<Utc>>().map_err(|error| error.to_string());
    if !alert["startsAt"].is_null() {
        check(time("/startsAt")? < time("/endsAt")?, "start time must be before end time")?;
    }
    Ok(format!("{}\n{}", text(alert, "/annotations/summary")?, text(alert, "/annotations/description")?))
}

fn pagerduty(received: &Received, json: &Value) -> Seen {
    check(received.path == "/v2/enqueue", "not found")?;
    check(json["routing_key"] == "R0UTINGKEY0123456789abcdef012345", "invalid routing key")?;
    check(["trigger", "resolve"].contains(&text(json, "/event_action")?), "invalid action")?;
    length(json, "/dedup_key", 255)?;
    check(text(json, "/payload/summary")?.chars().count() <= 1024, "the summary is too long")?;
    check(["critical", "error", "warning", "info"].contains(&text(json, "/payload/severity")?), "no severity")?;
    text(json, "/payload/timestamp")?.parse::<chrono::DateTime<Utc>>().map_err(|error| error.to_string())?;
    check(received.body.len() <= 512 * 1024, "the event is too large")?;
    Ok(texts::all(&json["payload"]))
}

#[tokio::test]
async fn every_service_takes_a_message() {
    let sender = sender();
    for kind in web_kinds() {
        let fake = Fake::start(move |received| answer(kind, received)).await;
        let outcome = sender.send(&channel(kind, &fake.url), &outage()).await;
        assert_eq!(outcome, Outcome::Delivered, "{kind:?}");
        let seen = seen(kind, &fake.only()).unwrap();
        for part in ["Tokyo is down", "Seen by 2 of 3 regions.", "connection refused"] {
            assert!(seen.replace('\u{2060}', "").contains(part), "{kind:?}: {part} is not in {seen}");
        }
    }
}

#[tokio::test]
async fn every_service_takes_hostile_names_and_they_do_nothing() {
    let sender = sender();
    for kind in web_kinds() {
        let fake = Fake::start(move |received| answer(kind, received)).await;
        assert_eq!(sender.send(&channel(kind, &fake.url), &hostile()).await, Outcome::Delivered, "{kind:?}");
        let seen = seen(kind, &fake.only()).unwrap();
        // A webhook gets the names as they are: what reads it is a program.
        if kind != ChannelKind::Webhook {
            texts::assert_inert(&seen);
        }
    }
}

#[tokio::test]
async fn every_service_takes_the_longest_message() {
    let sender = sender();
    for kind in web_kinds() {
        let fake = Fake::start(move |received| answer(kind, received)).await;
        let outcome = sender.send(&channel(kind, &fake.url), &huge()).await;
        let why = seen(kind, &fake.only());
        assert_eq!(outcome, Outcome::Delivered, "{kind:?}: {why:?}");
        // These hold the nodes as data, as far as they hold them.
        if ![ChannelKind::Webhook, ChannelKind::PagerDuty, ChannelKind::Matrix].contains(&kind) {
            let seen = why.unwrap();
            let listed = seen.matches("• ").count();
            let note = format!("另有 {} 个节点未列出", huge().nodes.len() - listed);
            let all = listed == huge().nodes.len();
            assert!(all || seen.replace('\u{2060}', "").contains(&note), "{kind:?}: {listed}: {seen}");
        }
    }
}
