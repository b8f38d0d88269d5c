//! What services recognise: a repeat of a message, and the recovery of what was told.

use chrono::{DateTime, TimeDelta, Utc};
use easytier_uptime_alerts::{
    ChannelKind, Guarantee, Message, Severity, Topic,
    channel::{HttpRequest, Outgoing},
};
use serde_json::Value;

use crate::{
    messages::{at, huge, outage, recovery},
    settings::channel,
};

fn request(kind: ChannelKind, message: &Message) -> HttpRequest {
    match channel(kind, "https://service.example").request(message, at()) {
        Ok(Outgoing::Http(request)) => request,
        _ => panic!("{kind:?} makes no request"),
    }
}

fn json(kind: ChannelKind, message: &Message) -> Value {
    serde_json::from_slice(&request(kind, message).body).unwrap()
}

#[test]
fn a_kind_that_sends_at_least_once_sends_a_key() {
    for kind in ChannelKind::ALL.into_iter().filter(|kind| kind.guarantee() == Guarantee::AtLeastOnce) {
        let id = outage().id.to_string();
        let holds_key = match kind {
            ChannelKind::Webhook => {
                request(kind, &outage()).headers.contains(&("Idempotency-Key".to_owned(), id.clone()))
            }
            ChannelKind::Matrix => request(kind, &outage()).url.path().ends_with(&format!("/{id}")),
            // Both know an alert by what it is about.
            ChannelKind::PagerDuty => json(kind, &outage())["dedup_key"] == outage().subject,
            ChannelKind::Alertmanager => json(kind, &outage())[0]["labels"]["subject"] == outage().subject,
            ChannelKind::Mail => match channel(kind, "").request(&outage(), at()) {
                Ok(Outgoing::Mail(mail)) => {
                    String::from_utf8(mail.content).unwrap().contains(&format!("Message-ID: <{id}@example.org>\r\n"))
                }
                _ => false,
            },
            kind => panic!("{kind:?} has no key"),
        };
        assert!(holds_key, "{kind:?}");
    }
}

#[test]
fn the_same_message_makes_the_same_request() {
    for kind in crate::settings::web_kinds() {
        let (one, two) = (request(kind, &outage()), request(kind, &outage()));
        assert_eq!((one.url, one.headers, one.body), (two.url, two.headers, two.body), "{kind:?}");
    }
}

#[test]
fn a_recovery_resolves_the_incident_of_pagerduty() {
    let (down, up) = (json(ChannelKind::PagerDuty, &outage()), json(ChannelKind::PagerDuty, &recovery()));
    assert_eq!((&down["event_action"], &up["event_action"]), (&"trigger".into(), &"resolve".into()));
    assert_eq!(down["dedup_key"], up["dedup_key"]);
    assert_eq!(down["payload"]["severity"], "critical");
    let hub = |severity| json(ChannelKind::PagerDuty, &Message { topic: Topic::Hub, severity, ..outage() });
    let (blind, sees) = (hub(Severity::Warning), hub(Severity::Info));
    assert_eq!((&blind["event_action"], &sees["event_action"]), (&"trigger".into(), &"resolve".into()));
    let long = |message: Message| Message { subject: huge().subject, ..message };
    let (down, up) = (json(ChannelKind::PagerDuty, &long(outage())), json(ChannelKind::PagerDuty, &long(recovery())));
    assert_eq!(down["dedup_key"], up["dedup_key"], "a subject that is too long has a short name");
    let other = Message { subject: format!("{}t", "s".repeat(4999)), ..outage() };
    assert_ne!(down["dedup_key"], json(ChannelKind::PagerDuty, &other)["dedup_key"]);
}

#[test]
fn a_recovery_ends_the_alert_of_alertmanager() {
    let alert = |message: &Message| json(ChannelKind::Alertmanager, message)[0].clone();
    let time = |value: &Value| value.as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    let (down, up) = (alert(&outage()), alert(&recovery()));
    assert_eq!(down["labels"], up["labels"], "Alertmanager knows an alert by its labels");
    assert_eq!(down["labels"]["alertname"], "EasyTierUptime");
    assert_eq!((&down["labels"]["team"], &down["labels"]["env"]), (&"net".into(), &"prod".into()));
    assert_eq!(time(&down["startsAt"]), at());
    assert!(time(&down["endsAt"]) > at() + TimeDelta::days(7), "it would resolve itself");
    assert!(up["startsAt"].is_null());
    assert_eq!(time(&up["endsAt"]), recovery().at);
    let test = alert(&Message { topic: Topic::Test, ..outage() });
    assert_eq!(time(&test["endsAt"]), at() + TimeDelta::minutes(5));
}

#[test]
fn the_mails_about_one_trouble_are_one_thread() {
    let references = |message: &Message| match channel(ChannelKind::Mail, "").request(message, at()) {
        Ok(Outgoing::Mail(mail)) => {
            let mail = String::from_utf8(mail.content).unwrap();
            mail.lines().find(|line| line.starts_with("References: <")).unwrap().to_owned()
        }
        _ => panic!("it is no mail"),
    };
    assert_eq!(references(&outage()), references(&recovery()));
    assert_ne!(references(&outage()), references(&Message { subject: "other".to_owned(), ..outage() }));
}
