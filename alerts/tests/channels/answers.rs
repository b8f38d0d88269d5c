//! What answers mean.

use std::time::Duration;

use easytier_uptime_alerts::{
    ChannelKind::{
        self, Alertmanager, Bark, DingTalk, Discord, Feishu, Matrix, Ntfy, PagerDuty, ServerChan, Slack, Telegram,
        WeCom, Webhook,
    },
    Outcome,
};

use crate::{
    fake::{Fake, Reply, reply},
    messages::outage,
    settings::{channel, sender, web_kinds},
};

async fn outcome(kind: ChannelKind, answer: impl Fn() -> Reply + Send + Sync + 'static) -> Outcome {
    let fake = Fake::start(move |_| answer()).await;
    sender().send(&channel(kind, &fake.url), &outage()).await
}

#[tokio::test]
async fn a_rate_limit_says_when_to_try_again() {
    for kind in web_kinds() {
        let limited = || Reply { headers: vec![("Retry-After", "7".to_owned())], ..reply(429, "slow down") };
        let Outcome::Retry { after, why } = outcome(kind, limited).await else { panic!("{kind:?}") };
        assert_eq!(after, Some(Duration::from_secs(7)), "{kind:?}");
        assert_eq!(why, "it answered 429: slow down");
    }
    for (kind, body, pause) in [
        (Discord, r#"{"message":"You are being rate limited.","retry_after":0.65}"#, 650),
        (Telegram, r#"{"ok":false,"error_code":429,"parameters":{"retry_after":35}}"#, 35_000),
        (Matrix, r#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":2000}"#, 2_000),
        (Discord, r#"{"retry_after":1e300}"#, 24 * 3_600_000),
        (Discord, r#"{"retry_after":-5}"#, 0),
    ] {
        let Outcome::Retry { after, .. } = outcome(kind, move || reply(429, body)).await else { panic!("{body}") };
        assert_eq!(after, Some(Duration::from_millis(pause)), "{body}");
    }
    let outcome = outcome(Ntfy, || reply(429, r#"{"code":42901,"http":429,"error":"limit reached"}"#)).await;
    assert_eq!(outcome, Outcome::Retry { after: None, why: "it answered 429: limit reached".to_owned() });
}

#[tokio::test]
async fn a_code_in_an_answer_of_200_counts() {
    for (kind, body, expected) in [
        (
            DingTalk,
            r#"{"errcode":310000,"errmsg":"sign not match"}"#,
            "refused: code 310000: it answered 200: sign not match",
        ),
        (
            DingTalk,
            r#"{"errcode":130101,"errmsg":"send too fast"}"#,
            "retry: code 130101: it answered 200: send too fast",
        ),
        (DingTalk, r#"{"errcode":-1,"errmsg":"busy"}"#, "retry: code -1: it answered 200: busy"),
        (
            WeCom,
            r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#,
            "retry: code 45009: it answered 200: api freq out of limit",
        ),
        (WeCom, r#"{"errcode":93000,"errmsg":"invalid"}"#, "refused: code 93000: it answered 200: invalid"),
        (
            Feishu,
            r#"{"code":11232,"msg":"frequency limited"}"#,
            "retry: code 11232: it answered 200: frequency limited",
        ),
        (Feishu, r#"{"StatusCode":0,"StatusMessage":"success"}"#, "delivered"),
        (Feishu, r#"{"code":19021,"msg":"sign match fail"}"#, "refused: code 19021: it answered 200: sign match fail"),
        (ServerChan, r#"{"code":40001,"message":"too many"}"#, "refused: code 40001: it answered 200: too many"),
        (Bark, r#"{"code":400,"message":"no token"}"#, "refused: code 400: it answered 200: no token"),
        (Bark, r#"{"code":500,"message":"push failed"}"#, "retry: code 500: it answered 200: push failed"),
        (Telegram, r#"{"ok":true,"result":{}}"#, "delivered"),
        (Telegram, r#"{"ok":false,"description":"x"}"#, "unclear: not the answer of this service: it answered 200: x"),
        (
            DingTalk,
            "<html>Log in</html>",
            "unclear: not the answer of this service: it answered 200: <html>Log in</html>",
        ),
        (WeCom, "", "unclear: not the answer of this service: it answered 200"),
    ] {
        let said = match outcome(kind, move || reply(200, body)).await {
            Outcome::Delivered => "delivered".to_owned(),
            Outcome::Retry { why, .. } => format!("retry: {why}"),
            Outcome::Refused { why } => format!("refused: {why}"),
            Outcome::Unclear { why } => format!("unclear: {why}"),
        };
        assert_eq!(said, expected, "{kind:?} {body}");
    }
}

/// Any web server may answer 200, such as one that asks to log in.
#[tokio::test]
async fn an_answer_of_200_counts_only_if_it_is_that_of_the_service() {
    for (kind, good) in [
        (Telegram, r#"{"ok":true,"result":{}}"#),
        (Slack, "ok"),
        (Discord, r#"{"id":"1"}"#),
        (Matrix, r#"{"event_id":"$1"}"#),
        (Ntfy, r#"{"id":"1"}"#),
        (PagerDuty, r#"{"status":"success","message":"Event processed"}"#),
        (DingTalk, r#"{"errcode":0}"#),
        (WeCom, r#"{"errcode":0}"#),
        (Feishu, r#"{"code":0}"#),
        (Bark, r#"{"code":200}"#),
        (ServerChan, r#"{"code":0}"#),
    ] {
        assert_eq!(outcome(kind, move || reply(200, good)).await, Outcome::Delivered, "{kind:?}");
        for other in ["", "<p>Welcome!</p>", "[]", r#"{"hello":1}"#] {
            let outcome = outcome(kind, move || reply(200, other)).await;
            let why = format!("not the answer of this service: it answered 200: {other}");
            let why = why.trim_end_matches(": ").to_owned();
            assert_eq!(outcome, Outcome::Unclear { why }, "{kind:?} {other}");
        }
    }
}

#[tokio::test]
async fn a_status_says_whether_it_helps_to_try_again() {
    for (status, expected) in [
        (200, "delivered"),
        (204, "delivered"),
        (400, "refused"),
        (401, "refused"),
        (403, "refused"),
        (404, "refused"),
        (410, "refused"),
        (413, "refused"),
        (408, "retry"),
        (425, "retry"),
        (500, "retry"),
        (502, "unclear"),
        (503, "retry"),
        (504, "unclear"),
        (522, "retry"),
        (524, "unclear"),
    ] {
        for kind in [Webhook, Alertmanager] {
            let outcome = outcome(kind, move || reply(status, "")).await;
            let said = match &outcome {
                Outcome::Delivered => "delivered",
                Outcome::Retry { .. } => "retry",
                Outcome::Refused { .. } => "refused",
                Outcome::Unclear { .. } => "unclear",
            };
            assert_eq!(said, expected, "{kind:?} {status}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Fake::start(|_| reply(200, "")).await;
    for kind in web_kinds() {
        for status in [301, 302, 303, 307, 308] {
            let to = format!("{}/taken?token=hunter2", other.url);
            let redirect = move || Reply { headers: vec![("Location", to.clone())], ..reply(status, "") };
            let expected = format!("it redirects to {}, and redirects are not followed: set the new URL", other.url);
            assert_eq!(outcome(kind, redirect).await, Outcome::Refused { why: expected }, "{kind:?} {status}");
        }
    }
    assert!(other.received().is_empty());
}

#[tokio::test]
async fn an_explanation_is_short_and_on_one_line() {
    let long = || reply(400, format!("first\nsecond {}", "界\u{202e}".repeat(5000)));
    let Outcome::Refused { why } = outcome(Slack, long).await else { panic!("it is not refused") };
    assert_eq!(why.chars().count(), Outcome::LONGEST_WHY);
    assert!(why.starts_with("it answered 400: first second 界界") && why.ends_with("界…"), "{why}");
}
