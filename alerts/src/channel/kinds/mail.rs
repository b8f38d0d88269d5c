//! A mail of plain text.

use chrono::{DateTime, Utc};
use lettre::message::{
    Mailbox, MessageBuilder, SinglePart,
    header::{HeaderName, HeaderValue},
};

use url::Url;

use super::{signature, spec::Spec};
use crate::{
    Message, Outcome,
    channel::{
        fault::Fault,
        field::{Field, Format, PROXY, Settings},
        guarantee::Guarantee,
        outgoing::{Mail, Outgoing, Security},
    },
    layout::{self, PLAIN},
};

/// The longest subject in characters, and the longest text in bytes.
const LONGEST_SUBJECT: usize = 200;
const LONGEST_TEXT: usize = 64 * 1024;

/// How many recipients a channel may have.
const MOST_RECIPIENTS: usize = 20;

/// The name of the setting that has the server send to visitors too.
pub(crate) const SUBSCRIPTIONS: &str = "subscriptions";

const FIELDS: &[Field] = &[
    Field::required("server", Format::Text, "the SMTP server: its name, or name:port", "SMTP 服务器：名称或 名称:端口"),
    Field::optional(
        "security",
        Format::Choice(&["starttls", "tls", "none"]),
        "starttls (port 587), tls (port 465) or none (port 25) [default: starttls]",
        "starttls（端口 587）、tls（端口 465）或 none（端口 25）[默认：starttls]",
    ),
    Field::optional("username", Format::Text, "the user name at the server", "登录用户名"),
    Field::optional("password", Format::Text, "the password at the server", "登录密码").secret(),
    Field::required(
        "from",
        Format::Text,
        "the sender: an address, or Name <address>",
        "发件人：邮箱地址或 名称 <邮箱地址>",
    ),
    Field::required("to", Format::Lines, "the recipients, separated by commas", "收件人，多个以逗号分隔"),
    Field::optional(
        SUBSCRIPTIONS,
        Format::Choice(&["no", "yes"]),
        "whether visitors can subscribe to nodes by mail from this server and sender: yes (needs PUBLIC_URL) or no [default: no]",
        "是否允许访客用邮件订阅节点，并由此服务器和发件人发出：yes（需设置 PUBLIC_URL）或 no [默认：no]",
    ),
    PROXY,
];

pub(crate) const MAIL: Spec = Spec {
    name: "mail",
    about: "mailboxes, by an SMTP server",
    fields: FIELDS,
    // The header Message-ID is the key: mailboxes show a mail with a known one once, or in the same thread.
    guarantee: Guarantee::AtLeastOnce,
    check,
    request,
    // Its answers are not those of HTTP.
    verdict: |_| Outcome::refused("a mail server does not answer by HTTP"),
};

fn check(settings: &Settings) -> Result<(), (&'static str, Fault)> {
    server(settings).map_err(|why| ("server", why))?;
    sender(settings).map_err(|why| ("from", why))?;
    recipients(settings).map_err(|why| ("to", why))?;
    match (settings.get("username"), settings.get("password")) {
        (Some(_), None) => {
            return Err(("password", Fault::new("there is a user name without it", "填写了用户名，但缺少密码")));
        }
        (None, Some(_)) => {
            return Err(("username", Fault::new("there is a password without it", "填写了密码，但缺少用户名")));
        }
        (Some(_), Some(_)) if security(settings) == Security::None => {
            return Err(("security", Fault::new("a password is sent over TLS only", "密码只能通过 TLS 发送")));
        }
        _ => {}
    }
    if settings.get("proxy").is_some_and(|proxy| proxy.trim().starts_with("https:")) {
        return Err((
            "proxy",
            Fault::new(
                "mail goes through proxies of http, socks5 or socks5h",
                "邮件只能使用 http、socks5 或 socks5h 代理",
            ),
        ));
    }
    Ok(())
}

fn request(settings: &Settings, message: &Message, now: DateTime<Utc>) -> Result<Outgoing, String> {
    let (host, port) = server(settings)?;
    let from = sender(settings)?;
    let domain = from.email.domain().to_owned();
    let mut builder = MessageBuilder::new()
        .message_id(Some(format!("<{}@{domain}>", message.id)))
        // What is about the same trouble is one thread.
        .references(format!("<{}@{domain}>", &signature::fingerprint(&message.subject)[..32]))
        .date(now.into())
        .from(from)
        .subject(layout::one_line(&message.title, LONGEST_SUBJECT));
    for recipient in recipients(settings)? {
        builder = builder.to(recipient);
    }
    let text = layout::whole(message, &PLAIN, LONGEST_TEXT);
    if let Some(url) = &message.unsubscribe {
        for (name, value) in unsubscribe(url) {
            builder = builder.raw_header(header(name, value));
        }
    }
    let mut mail = builder
        .singlepart(SinglePart::plain(text.replace('\n', "\r\n")))
        .map_err(|error| format!("no mail can be made: {error}"))?;
    // Nobody's holiday answers it (RFC 3834).
    mail.headers_mut().insert_raw(header("Auto-Submitted", "auto-generated".to_owned()));
    let login = settings.get("username").zip(settings.get("password"));
    Ok(Outgoing::Mail(Box::new(Mail {
        host,
        port,
        security: security(settings),
        login: login.map(|(user, password)| (user.to_owned(), password.to_owned())),
        envelope: mail.envelope().clone(),
        content: mail.formatted(),
    })))
}

/// The headers by which the programs of readers unsubscribe (RFC 2369). They do it with one click over HTTPS only (RFC 8058).
fn unsubscribe(url: &Url) -> Vec<(&'static str, String)> {
    let mut headers = vec![("List-Unsubscribe", format!("<{url}>"))];
    if url.scheme() == "https" {
        headers.push(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()));
    }
    headers
}

/// A header whose value is printable ASCII, as URLs are, and stays as it is: encoded words would hide it from programs.
fn header(name: &'static str, value: String) -> HeaderValue {
    let printable: String = value.chars().filter(char::is_ascii_graphic).collect();
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), printable.clone(), printable)
}

fn security(settings: &Settings) -> Security {
    match settings.get("security") {
        Some("tls") => Security::Tls,
        Some("none") => Security::None,
        _ => Security::StartTls,
    }
}

/// The server's name and port.
fn server(settings: &Settings) -> Result<(String, u16), Fault> {
    let default = match security(settings) {
        Security::StartTls => 587,
        Security::Tls => 465,
        Security::None => 25,
    };
    let server = settings.text("server").trim();
    // Read as the part of a URL that it looks like, for addresses of IPv6.
    let url = Url::parse(&format!("smtp://{server}"))
        .map_err(|error| Fault::new(error.to_string(), "不是有效的服务器地址"))?;
    let plain = url.path().is_empty() && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    match url.host_str().filter(|_| plain) {
        Some(host) => Ok((host.trim_matches(['[', ']']).to_owned(), url.port().unwrap_or(default))),
        None => Err(Fault::new(
            "it is like smtp.example.com or smtp.example.com:587",
            "格式应如 smtp.example.com 或 smtp.example.com:587",
        )),
    }
}

fn sender(settings: &Settings) -> Result<Mailbox, Fault> {
    mailbox(settings.text("from"))
}

fn recipients(settings: &Settings) -> Result<Vec<Mailbox>, Fault> {
    let addresses: Vec<&str> =
        settings.text("to").split([',', '\n']).map(str::trim).filter(|address| !address.is_empty()).collect();
    match addresses.len() {
        0 => Err(Fault::new("there is no address", "没有地址")),
        1..=MOST_RECIPIENTS => addresses.into_iter().map(mailbox).collect(),
        _ => Err(Fault::new(format!("there are more than {MOST_RECIPIENTS}"), format!("最多 {MOST_RECIPIENTS} 个"))),
    }
}

fn mailbox(text: &str) -> Result<Mailbox, Fault> {
    let mailbox: Mailbox =
        text.trim().parse().map_err(|error| Fault::new(format!("it is no address: {error}"), "不是有效的邮箱地址"))?;
    match mailbox.email.to_string().is_ascii() {
        true => Ok(mailbox),
        false => Err(Fault::new(
            "few mail servers take an address with other letters than those of ASCII",
            "多数邮件服务器不接受含有非 ASCII 字符的地址",
        )),
    }
}
