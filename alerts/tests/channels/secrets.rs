//! Secrets are in requests only.

use easytier_uptime_alerts::{ChannelKind, Outcome};

use crate::{
    fake::{Fake, reply},
    messages::outage,
    settings::{SECRET, TOKEN, channel, channel_with, sender, web_kinds},
};

/// What must not be seen of the settings of any kind.
const SECRETS: [&str; 15] = [
    TOKEN,
    SECRET,
    "abc123secret",
    "wh-secret-token",
    "slacksecret",
    "syt_secret_token",
    "uptime-topic",
    "tk_secret",
    "barkdevicekey",
    "SCT123abcDEF",
    "dingsecrettoken",
    "wecom-secret-key",
    "feishu-secret",
    "R0UTINGKEY0123456789abcdef012345",
    "the password",
];

#[track_caller]
fn assert_no_secret(text: &str, where_: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{where_}: {secret} is in {text}");
    }
}

#[test]
fn what_is_shown_of_a_channel_has_no_secret() {
    for kind in ChannelKind::ALL {
        let proxy = [("proxy", "socks5://user:the%20password@proxy.example")];
        let channel = channel_with(kind, "https://service.example", &proxy).unwrap();
        assert_no_secret(&format!("{:?} {channel:?}", channel.shown()), kind.name());
        assert!(!channel.shown().contains_key("proxy"), "{kind:?}");
    }
    let slack = channel(ChannelKind::Slack, "https://hooks.slack.com");
    assert_eq!(slack.shown()["url"], "https://hooks.slack.com/…");
    let telegram = channel(ChannelKind::Telegram, "https://api.telegram.org");
    assert_eq!(telegram.shown().into_keys().collect::<Vec<_>>(), ["chat", "server"]);
}

/// Services repeat what they got, in several ways.
#[tokio::test]
async fn a_service_that_repeats_a_secret_does_not_put_it_into_an_explanation() {
    for kind in web_kinds() {
        for status in [200, 400, 500] {
            let fake = Fake::start(move |received| {
                let all = SECRETS.map(|secret| format!("{secret} ")).concat();
                let query: Vec<&str> = received.query.values().map(String::as_str).collect();
                // The end is where an explanation is cut.
                reply(status, format!("{} {} {all}{all}{all}{all}{}", received.path, query.join(" "), received.text()))
            })
            .await;
            let outcome = sender().send(&channel(kind, &fake.url), &outage()).await;
            let own: Vec<String> = channel(kind, "http://a.example").settings().values().cloned().collect();
            let why = match outcome {
                Outcome::Delivered => continue,
                Outcome::Retry { why, .. } | Outcome::Refused { why } | Outcome::Unclear { why } => why,
            };
            for secret in SECRETS.iter().filter(|secret| own.iter().any(|value| value.contains(*secret))) {
                assert!(!why.contains(secret), "{kind:?} {status}: {secret} is in {why}");
                let beginning = &secret[..secret.len() / 2 + 3];
                assert!(!why.contains(beginning), "{kind:?} {status}: {beginning} is in {why}");
            }
        }
    }
}

#[tokio::test]
async fn an_error_of_a_connection_shows_no_url() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for kind in web_kinds() {
        for more in [None, Some(("proxy", format!("{}@{}", "http://user:the%20password", &closed[7..])))] {
            let more: Vec<(&str, &str)> = more.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let outcome = sender().send(&channel_with(kind, &closed, &more).unwrap(), &outage()).await;
            assert!(matches!(outcome, Outcome::Retry { .. }), "{kind:?}: {outcome:?}");
            assert_no_secret(&format!("{outcome:?}"), kind.name());
        }
    }
}
