//! Settings of each kind, and what is wrong with others.

use std::collections::BTreeMap;

use easytier_probe::tls;
use easytier_uptime_alerts::{Channel, ChannelError, ChannelKind, Language, SendOptions, Sender};

pub const TOKEN: &str = "123456:AAE-secret_Token";
pub const SECRET: &str = "SECdeadbeef0123456789";

/// Settings that lead to a server at `base`.
pub fn settings(kind: ChannelKind, base: &str) -> BTreeMap<String, String> {
    let of = |settings: &[(&str, String)]| {
        settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    let text = |text: &str| text.to_owned();
    match kind {
        ChannelKind::Webhook => of(&[("url", format!("{base}/hook/abc123secret")), ("secret", text(SECRET))]),
        ChannelKind::Mail => of(&[
            ("server", text("127.0.0.1:2525")),
            ("security", text("none")),
            ("from", text("Uptime <uptime@example.org>")),
            ("to", text("one@example.net, Two <two@example.net>")),
        ]),
        ChannelKind::Telegram => of(&[("server", text(base)), ("token", text(TOKEN)), ("chat", text("-100123"))]),
        ChannelKind::Discord => of(&[("url", format!("{base}/api/webhooks/11/wh-secret-token"))]),
        ChannelKind::Slack => of(&[("url", format!("{base}/services/T000/B000/slacksecret"))]),
        ChannelKind::Matrix => of(&[
            ("server", format!("{base}/")),
            ("room", text("!r/oom:example.org")),
            ("token", text("syt_secret_token")),
        ]),
        ChannelKind::Ntfy => {
            of(&[("server", text(base)), ("topic", text("uptime-topic")), ("token", text("tk_secret"))])
        }
        ChannelKind::Bark => of(&[("server", text(base)), ("key", text("barkdevicekey"))]),
        ChannelKind::ServerChan => of(&[("server", text(base)), ("key", text("SCT123abcDEF"))]),
        ChannelKind::DingTalk => {
            of(&[("url", format!("{base}/robot/send?access_token=dingsecrettoken")), ("secret", text(SECRET))])
        }
        ChannelKind::WeCom => of(&[("url", format!("{base}/cgi-bin/webhook/send?key=wecom-secret-key"))]),
        ChannelKind::Feishu => {
            of(&[("url", format!("{base}/open-apis/bot/v2/hook/feishu-secret")), ("secret", text(SECRET))])
        }
        ChannelKind::Alertmanager => of(&[("url", text(base)), ("labels", text("team=net, env=prod"))]),
        ChannelKind::PagerDuty => of(&[("server", text(base)), ("key", text("R0UTINGKEY0123456789abcdef012345"))]),
    }
}

pub fn channel(kind: ChannelKind, base: &str) -> Channel {
    Channel::new(kind, settings(kind, base)).unwrap()
}

/// The channel with other settings beside the usual ones.
pub fn channel_with(kind: ChannelKind, base: &str, more: &[(&str, &str)]) -> Result<Channel, ChannelError> {
    let mut settings = settings(kind, base);
    settings.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Channel::new(kind, settings)
}

/// The kinds that are spoken to by HTTP.
pub fn web_kinds() -> impl Iterator<Item = ChannelKind> {
    ChannelKind::ALL.into_iter().filter(|kind| *kind != ChannelKind::Mail)
}

/// A sender that trusts nobody: to load whom the system trusts takes a while.
pub fn sender() -> Sender {
    Sender::new(options()).unwrap()
}

pub fn options() -> SendOptions {
    SendOptions { trust: Some(tls::without_trust().unwrap()), ..SendOptions::default() }
}

#[test]
fn a_kind_is_found_by_its_name() {
    for kind in ChannelKind::ALL {
        assert_eq!(ChannelKind::from_name(kind.name()), Some(kind));
    }
    assert_eq!(ChannelKind::from_name("pigeon"), None);
}

#[test]
fn a_required_setting_is_asked_for() {
    for kind in ChannelKind::ALL {
        for field in kind.fields().iter().filter(|field| field.required) {
            for value in [None, Some("  ".to_owned())] {
                let mut settings = settings(kind, "http://127.0.0.1");
                match value {
                    Some(value) => settings.insert(field.name.to_owned(), value),
                    None => settings.remove(field.name),
                };
                let error = Channel::new(kind, settings).unwrap_err();
                assert!(
                    matches!(&error, ChannelError::Missing { field: named, .. } if *named == field.name),
                    "{error}"
                );
            }
        }
    }
}

#[test]
fn a_setting_that_does_not_exist_is_named_with_those_that_do() {
    let error = channel_with(ChannelKind::Slack, "http://127.0.0.1", &[("token", "x")]).unwrap_err();
    assert_eq!(error.to_string(), "a channel of the kind slack has no setting token; it has url, proxy");
}

#[test]
fn a_value_that_makes_no_sense_is_refused_and_not_quoted() {
    use ChannelKind::{
        Alertmanager, Bark, Discord, Mail, Matrix, Ntfy, PagerDuty, ServerChan, Slack, Telegram, Webhook,
    };
    for (kind, field, value) in [
        (Slack, "url", "hunter2"),
        (Slack, "url", "ftp://hunter2.example"),
        (Slack, "url", "https://"),
        (Slack, "url", "https://a.example/\nhunter2"),
        (Slack, "proxy", "gopher://hunter2"),
        (Telegram, "token", "hunter2"),
        (Telegram, "token", "1:hunter2/../x"),
        (Telegram, "thread", "hunter2"),
        (Discord, "thread", "-1"),
        (Matrix, "room", "#hunter2:example.org"),
        (Ntfy, "topic", "hunter2/x"),
        (Bark, "server", "hunter2"),
        (ServerChan, "key", "hunter2/x"),
        (ServerChan, "key", "sctphunter2"),
        (Alertmanager, "labels", "hunter2"),
        (Alertmanager, "labels", "1hunter2=x"),
        (Alertmanager, "labels", "alertname=hunter2"),
        (PagerDuty, "key", "hunter2-"),
        (Webhook, "method", "hunter2"),
        (Webhook, "headers", "hunter2"),
        (Webhook, "headers", "Host: hunter2"),
        (Webhook, "content_type", "hunter2\u{e9}"),
        (Mail, "server", "hunter2/x"),
        (Mail, "server", "user@hunter2"),
        (Mail, "from", "hunter2"),
        (Mail, "to", "a@example.org, hunter2"),
        (Mail, "security", "hunter2"),
        (Mail, "username", "hunter2"),
        (Mail, "password", "hunter2"),
        (Mail, "proxy", "https://hunter2.example"),
    ] {
        let error = channel_with(kind, "http://127.0.0.1", &[(field, value)]).unwrap_err();
        assert!(matches!(error, ChannelError::Invalid { .. }), "{kind:?} {field}: {error}");
        assert!(!error.to_string().contains("hunter2"), "{kind:?} {field}: {error}");
        let ChannelError::Invalid { why, .. } = error else { continue };
        let chinese = why.in_language(Language::Chinese);
        assert!(!chinese.is_ascii() && !chinese.contains("hunter2"), "{kind:?} {field}: {chinese}");
    }
    let many = vec!["a@example.org"; 21].join(",");
    assert!(channel_with(Mail, "", &[("to", &many)]).is_err());
    let long = format!("https://a.example/{}", "a".repeat(2000));
    assert!(channel_with(Slack, "", &[("url", &long)]).is_err());
}

#[test]
fn a_password_goes_over_tls_only() {
    let login = [("username", "monitor"), ("password", "the password")];
    let error = channel_with(ChannelKind::Mail, "", &login).unwrap_err();
    assert_eq!(error.to_string(), "security: a password is sent over TLS only");
}

#[test]
fn a_channel_of_somebody_who_is_no_admin_has_no_proxy_and_no_template() {
    for (field, value) in [("proxy", "http://10.0.0.1"), ("body", "{{ id }}"), ("headers", "A: b")] {
        let channel = channel_with(ChannelKind::Webhook, "http://127.0.0.1", &[(field, value)]).unwrap();
        assert_eq!(channel.confined().unwrap_err().to_string(), format!("{field}: only an admin may set it"));
    }
    assert!(channel(ChannelKind::Webhook, "http://127.0.0.1").confined().is_ok());
    let sender = channel_with(ChannelKind::Mail, "", &[("server", "localhost:25"), ("subscriptions", "yes")]).unwrap();
    assert_eq!(sender.confined().unwrap_err().to_string(), "subscriptions: only an admin may set it");
}

#[test]
fn texts_of_fields_are_in_both_languages() {
    for field in ChannelKind::ALL.into_iter().flat_map(ChannelKind::fields) {
        assert!(field.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{}", field.name);
        assert!(field.english.is_ascii() || field.english.contains('('), "{}", field.english);
        assert!(field.chinese.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{}", field.chinese);
    }
}
