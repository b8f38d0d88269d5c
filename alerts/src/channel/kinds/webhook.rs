//! A webhook: the message as JSON, or what templates make of it, with a signature and a key.

use chrono::{DateTime, Utc};
use reqwest::{
    Method,
    header::{HeaderName, HeaderValue},
};

use super::{signature, spec::Spec};
use crate::{
    Message,
    channel::{
        answer::Answer,
        fault::Fault,
        field::{Field, Format, PROXY, Settings},
        guarantee::Guarantee,
        outgoing::{HttpRequest, Outgoing},
    },
    template::{Escape, Template},
};

const FIELDS: &[Field] = &[
    Field::required("url", Format::Url, "where the message is sent", "接收消息的地址").secret(),
    Field::optional(
        "method",
        Format::Choice(&["POST", "PUT"]),
        "POST or PUT [default: POST]",
        "POST 或 PUT [默认：POST]",
    ),
    Field::optional(
        "secret",
        Format::Text,
        "the key of the signature in the header X-Uptime-Signature",
        "请求头 X-Uptime-Signature 中签名所用的密钥",
    )
    .secret(),
    Field::optional("body", Format::Lines, "a template of the body", "请求体的模板"),
    Field::optional(
        "content_type",
        Format::Text,
        "what the template makes [default: application/json]",
        "模板生成的内容类型 [默认：application/json]",
    ),
    Field::optional(
        "headers",
        Format::Lines,
        "templates of more headers, one Name: value a line",
        "附加请求头的模板，每行一个“名称: 值”",
    )
    .secret(),
    PROXY,
];

/// Headers that this program or the protocol sets.
const RESERVED: [&str; 9] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "idempotency-key",
    "te",
    "transfer-encoding",
    "upgrade",
    "x-uptime-signature",
];

/// How many headers a channel may have.
const MOST_HEADERS: usize = 30;

pub(crate) const WEBHOOK: Spec = Spec {
    name: "webhook",
    about: "any web server",
    fields: FIELDS,
    // The header Idempotency-Key is the key.
    guarantee: Guarantee::AtLeastOnce,
    check,
    request,
    verdict: Answer::by_status,
};

/// The templates are tried with messages, so that a mistake is known now and not when there is something to tell.
fn check(settings: &Settings) -> Result<(), (&'static str, Fault)> {
    let kind = content_type(settings);
    if !kind.is_ascii() || !kind.contains('/') {
        return Err(("content_type", Fault::new("it is like application/json", "格式应如 application/json")));
    }
    for sample in Message::samples() {
        headers(settings, &sample).map_err(|why| ("headers", why))?;
        let body = body(settings, &sample).map_err(|why| ("body", why))?;
        if escape(settings) == Escape::Json
            && let Err(error) = serde_json::from_slice::<serde_json::Value>(&body)
        {
            let example = "{\"text\": {{ title }}}";
            return Err((
                "body",
                Fault::new(
                    format!("it does not make JSON: {error}; texts bring their own quotes: {example}"),
                    format!("生成的内容不是 JSON（{error}）；文本自带引号：{example}"),
                ),
            ));
        }
    }
    Ok(())
}

fn request(settings: &Settings, message: &Message, now: DateTime<Utc>) -> Result<Outgoing, String> {
    let body = body(settings, message)?;
    let mut all = vec![
        ("Content-Type".to_owned(), content_type(settings).to_owned()),
        ("Idempotency-Key".to_owned(), message.id.to_string()),
    ];
    if let Some(secret) = settings.get("secret") {
        let timestamp = now.timestamp();
        let signed = [format!("{timestamp}.").as_bytes(), &body].concat();
        let code = signature::hex(secret.as_bytes(), &signed);
        all.push(("X-Uptime-Signature".to_owned(), format!("t={timestamp},v1={code}")));
    }
    all.extend(headers(settings, message)?);
    let method = if settings.get("method") == Some("PUT") { Method::PUT } else { Method::POST };
    Ok(HttpRequest { method, url: settings.url("url", "")?, headers: all, body }.into())
}

fn content_type(settings: &Settings) -> &str {
    settings.or("content_type", "application/json").trim()
}

/// How values are escaped in the body.
fn escape(settings: &Settings) -> Escape {
    let kind = content_type(settings).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "application/json" => Escape::Json,
        kind if kind.ends_with("+json") => Escape::Json,
        "text/html" | "application/xml" | "text/xml" => Escape::Html,
        "application/x-www-form-urlencoded" => Escape::Form,
        _ => Escape::Line,
    }
}

fn body(settings: &Settings, message: &Message) -> Result<Vec<u8>, Fault> {
    match settings.get("body") {
        Some(template) => Ok(rendered(template, escape(settings), message)?.into_bytes()),
        None => serde_json::to_vec(message).map_err(|error| Fault::of_template(error.to_string())),
    }
}

fn headers(settings: &Settings, message: &Message) -> Result<Vec<(String, String)>, Fault> {
    let lines: Vec<&str> = settings.or("headers", "").lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.len() > MOST_HEADERS {
        return Err(Fault::new(format!("there are more than {MOST_HEADERS}"), format!("最多 {MOST_HEADERS} 个")));
    }
    lines.into_iter().map(|line| header(line, message)).collect()
}

fn rendered(template: &str, escape: Escape, message: &Message) -> Result<String, Fault> {
    Template::new(template, escape).and_then(|template| template.render(message)).map_err(Fault::of_template)
}

fn header(line: &str, message: &Message) -> Result<(String, String), Fault> {
    let (name, template) = line
        .split_once(':')
        .ok_or_else(|| Fault::new("a header is like Name: value", "请求头的格式应如 Name: value"))?;
    let name = name.trim();
    let parsed: HeaderName = name.parse().map_err(|_| {
        Fault::new("the name of a header has letters, digits and -", "请求头的名称只能包含字母、数字和 -")
    })?;
    if RESERVED.contains(&parsed.as_str()) {
        return Err(Fault::new(format!("the header {name} is set already"), format!("请求头 {name} 由系统设置")));
    }
    let value = rendered(template.trim(), Escape::Line, message)?;
    HeaderValue::from_str(&value).map_err(|_| {
        Fault::new(
            format!("the header {name} has a value that no header can have"),
            format!("请求头 {name} 的值含有不允许的字符"),
        )
    })?;
    Ok((name.to_owned(), value))
}
