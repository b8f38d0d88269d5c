//! What holds for every message.

use chrono::{DateTime, Utc};
use easytier_uptime_alerts::{ChannelKind, Language, Message, NodeLine, Severity, Topic, channel::Outgoing};
use proptest::{collection::vec, prelude::*};
use uuid::Uuid;

use crate::{
    fake::Received,
    messages::outage,
    services::seen,
    settings::{channel, web_kinds},
    texts,
};

/// Texts that are long, hostile, or both.
fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "\\PC{0,30}",
        any::<String>().prop_map(|text| text.chars().take(40).collect()),
        proptest::sample::select(crate::messages::HOSTILE.to_vec()).prop_map(str::to_owned),
        "[\\\\<>&\"'`*_~|\\[\\](){}#@:/.!-]{0,60}",
    ];
    (vec(part, 0..6), 1_usize..20).prop_map(|(parts, times)| parts.concat().repeat(times))
}

fn message() -> impl Strategy<Value = Message> {
    let node = (text(), text(), any::<i64>()).prop_map(|(name, what, id)| NodeLine { id, name, what });
    (text(), vec(text(), 0..6), vec(node, 0..=Message::MAX_NODES), any::<bool>(), any::<bool>()).prop_map(
        |(title, lines, nodes, chinese, links)| Message {
            title: format!("T{title}"),
            lines,
            nodes,
            language: if chinese { Language::Chinese } else { Language::English },
            url: outage().url.filter(|_| links),
            acknowledge: outage().acknowledge.filter(|_| links),
            topic: Topic::Outage,
            severity: Severity::Critical,
            ..outage()
        },
    )
}

/// What the service of this kind sees of `message`.
fn received(kind: ChannelKind, message: &Message, now: DateTime<Utc>) -> Received {
    let Ok(Outgoing::Http(request)) = channel(kind, "http://127.0.0.1").request(message, now) else {
        panic!("{kind:?} makes no request")
    };
    Received {
        method: request.method.to_string(),
        path: request.url.path().to_owned(),
        query: request.url.query_pairs().into_owned().collect(),
        headers: request.headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect(),
        body: request.body,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]

    /// It is within the limits, no escape is cut, and it holds the beginning of the title and all links.
    #[test]
    fn every_service_takes_every_message(message in message()) {
        for kind in web_kinds() {
            let received = received(kind, &message, Utc::now());
            match seen(kind, &received) {
                Err(why) => prop_assert!(false, "{:?}: {}: {}", kind, why, received.text()),
                Ok(seen) if kind != ChannelKind::Webhook => {
                    let first = seen.lines().next().unwrap_or_default();
                    prop_assert!(kind == ChannelKind::PagerDuty || first.starts_with('T'), "{:?}: {}", kind, seen);
                    for line in seen.lines() {
                        prop_assert!(!line.chars().any(char::is_control), "{:?}: {:?}", kind, line);
                    }
                    let linked = [ChannelKind::Telegram, ChannelKind::Discord, ChannelKind::Slack, ChannelKind::Matrix,
                        ChannelKind::Ntfy, ChannelKind::ServerChan, ChannelKind::DingTalk, ChannelKind::WeCom, ChannelKind::Feishu];
                    if message.url.is_some() && linked.contains(&kind) {
                        let labels = ["Acknowledge", "确认收到"];
                        prop_assert!(labels.iter().any(|label| seen.contains(label)), "{:?}: {}", kind, seen);
                    }
                }
                Ok(_) => {}
            }
        }
    }

    /// What a webhook gets can be read back.
    #[test]
    fn a_webhook_gets_the_message_itself(message in message()) {
        let body = received(ChannelKind::Webhook, &message, Utc::now()).json();
        prop_assert_eq!(serde_json::from_value::<Message>(body).unwrap(), message);
    }

    #[test]
    fn a_mail_has_the_headers_it_should_have_and_no_others(message in message()) {
        let Ok(Outgoing::Mail(mail)) = channel(ChannelKind::Mail, "").request(&message, Utc::now()) else {
            panic!("it is no mail")
        };
        let text = String::from_utf8(mail.content).unwrap();
        prop_assert!(text.is_ascii());
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        let mut names: Vec<&str> = head
            .split("\r\n")
            .filter(|line| !line.starts_with([' ', '\t']))
            .map(|line| line.split(':').next().unwrap())
            .collect();
        names.sort_unstable();
        let expected = ["Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "MIME-Version",
            "Message-ID", "References", "Subject", "To"];
        prop_assert_eq!(names, expected);
        prop_assert!(text.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
    }
}

/// Not by chance, but at each length near the limit.
#[test]
fn a_title_is_cut_at_every_length_without_a_broken_escape() {
    for length in 200..270 {
        for c in ['*', '<', '&', '界', '🎉', 'é'] {
            let title = format!("T{}", c.to_string().repeat(length));
            let message = Message { id: Uuid::nil(), title, ..outage() };
            let body = received(ChannelKind::Discord, &message, Utc::now()).json();
            let title = body["embeds"][0]["title"].as_str().unwrap();
            assert!(title.encode_utf16().count() <= 256, "{length} {c}");
            let shown = texts::backslashed(title).unwrap().replace('\u{2060}', "");
            let whole = shown.trim_end_matches('…');
            assert!(message.title.starts_with(whole), "{length} {c}: {shown}");
            assert!(shown == message.title || whole.chars().count() > 80, "{length} {c}: {shown}");
        }
    }
}
