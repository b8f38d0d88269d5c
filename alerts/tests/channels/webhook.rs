//! Webhooks: the documented document, templates, headers.

use chrono::Utc;
use easytier_uptime_alerts::{
    ChannelKind::Webhook,
    Message, Outcome,
    channel::{HttpRequest, Outgoing},
};
use serde_json::json;

use crate::{
    fake::{Fake, reply},
    messages::{hostile, outage},
    settings::{channel, channel_with, sender},
};

/// A template of the name of a node, whatever nodes a message has.
fn name_of(id: i64) -> String {
    format!("{{% for node in nodes %}}{{% if node.id == {id} %}}{{{{ node.name }}}}{{% endif %}}{{% endfor %}}")
}

/// `template` with `@5@` for the name of node 5.
fn named(template: &str) -> String {
    (0..12).fold(template.to_owned(), |text, id| text.replace(&format!("@{id}@"), &name_of(id)))
}

fn request(more: &[(&str, &str)], message: &Message) -> Result<HttpRequest, String> {
    let channel = channel_with(Webhook, "https://a.example", more).map_err(|error| error.to_string())?;
    match channel.request(message, Utc::now()) {
        Ok(Outgoing::Http(request)) => Ok(request),
        Ok(Outgoing::Mail(_)) => panic!("it is no request"),
        Err(outcome) => Err(format!("{outcome:?}")),
    }
}

#[tokio::test]
async fn without_a_template_it_is_the_documented_document() {
    let fake = Fake::start(|_| reply(200, "")).await;
    assert_eq!(sender().send(&channel(Webhook, &fake.url), &outage()).await, Outcome::Delivered);
    let expected = json!({
        "id": "01900000-0000-7000-8000-000000000001",
        "topic": "outage",
        "severity": "critical",
        "subject": "rule-7/node-12",
        "title": "Tokyo is down",
        "lines": ["Seen by 2 of 3 regions.", "Since 05:06 UTC."],
        "nodes": [{ "id": 12, "name": "Tokyo", "what": "connection refused" }],
        "url": "https://uptime.example/node/12?a=1&b=(2)",
        "acknowledge": "https://uptime.example/alerts/34?token=t0k3n",
        "at": "2026-03-04T05:06:07Z",
        "language": "en",
    });
    let received = fake.only();
    assert_eq!(received.json(), expected);
    assert_eq!(received.header("content-type"), "application/json");
    assert!(received.header("user-agent").starts_with("easytier-uptime/"));
}

#[test]
fn values_in_a_template_of_json_are_escaped() {
    let template = r#"{"text": {{ title }}, "names": [{% for node in nodes %}{{ node.name }}{% if not loop.last %},{% endif %}{% endfor %}], "all": {{ nodes }}, "n": {{ nodes | length }}, "link": {{ url }}}"#;
    let body = request(&[("body", template)], &hostile()).unwrap().body;
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let names: Vec<&str> = hostile().nodes.iter().map(|_| "").collect();
    assert_eq!(body["text"], hostile().title);
    assert_eq!(body["names"], json!(hostile().nodes.iter().map(|node| node.name.clone()).collect::<Vec<_>>()));
    assert_eq!(body["all"][3]["name"], hostile().nodes[3].name);
    assert_eq!(body["n"], names.len());
    assert_eq!(body["link"], "https://uptime.example/node/12?a=1&b=(2)");
}

#[test]
fn values_are_escaped_as_the_type_of_the_content_needs_it() {
    let of = |content_type, template| {
        let body = request(&[("content_type", content_type), ("body", &named(template))], &hostile()).unwrap().body;
        String::from_utf8(body).unwrap()
    };
    let html = of("text/html; charset=utf-8", "<p>@5@</p>");
    assert!(html.starts_with("<p>&lt;&#x2f;b&gt;&lt;a href=&quot;https:"), "{html}");
    let form = of("application/x-www-form-urlencoded", "text=@8@&level={{ severity }}");
    assert_eq!(form, "text=%22%7D%5D%2C%22text%22%3A%22injected%5C&level=critical");
    let lines = of("text/plain", "@6@\n@7@");
    assert_eq!(lines, "line one line two # heading > quote\ngnp.exe");
    // What a name holds is no template.
    assert!(of("text/plain", "@9@").starts_with("{{ 7 * 7 }}"));
}

#[test]
fn headers_are_templates_that_stay_on_their_line() {
    let headers = "X-Title: @6@\n\n  Authorization: Bearer abcdef\nX-Name: @11@";
    let request = request(&[("headers", &named(headers))], &hostile()).unwrap();
    let header = |name: &str| request.headers.iter().find(|header| header.0 == name).map(|header| header.1.as_str());
    assert_eq!(header("X-Title"), Some("line one line two # heading > quote"));
    assert_eq!(header("Authorization"), Some("Bearer abcdef"));
    assert_eq!(header("X-Name"), Some("节点🎉 & Ωmega <3 [31m"));
}

#[tokio::test]
async fn headers_arrive() {
    let fake = Fake::start(|_| reply(200, "")).await;
    let more = [("headers", "X-Name: {{ title }}\nUser-Agent: mine"), ("method", "PUT")];
    let channel = channel_with(Webhook, &fake.url, &more).unwrap();
    let message = Message { title: "节点 down".to_owned(), ..outage() };
    assert_eq!(sender().send(&channel, &message).await, Outcome::Delivered);
    let received = fake.only();
    assert_eq!((received.header("x-name"), received.header("user-agent")), ("节点 down", "mine"));
    assert_eq!(received.method, "PUT");
}

#[test]
fn a_template_that_cannot_work_is_an_error_when_the_channel_is_made() {
    for (field, template, words) in [
        ("body", "{\"text\": {{ title }", "body: syntax error"),
        ("body", "{\"text\": {{ tilte }}}", "body: undefined value"),
        ("body", "{\"text\": \"{{ title }}\"}", "body: it does not make JSON"),
        // Not every message has a node.
        ("body", "{\"text\": {{ nodes[0].name }}}", "body: undefined value"),
        (
            "body",
            "{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}1",
            "body: engine ran out of fuel",
        ),
        ("body", "{% include 'file' %}", "body: "),
        ("headers", "X-A: {{ tilte }}", "headers: undefined value"),
        ("headers", "Idempotency-Key: 1", "headers: the header Idempotency-Key is set already"),
        ("headers", "a b: c", "headers: the name of a header"),
    ] {
        let error = request(&[(field, template)], &outage()).err().unwrap_or_default();
        assert!(error.starts_with(words), "{template}: {error}");
    }
    let many = "X-A: b\n".repeat(31);
    assert!(request(&[("headers", &many)], &outage()).is_err());
}

#[test]
fn what_a_template_makes_is_bounded() {
    let template = "[{% for a in range(20000) %}{{ title }},{% endfor %}1]";
    let error =
        request(&[("body", template)], &Message { title: "x".repeat(1000), ..outage() }).err().unwrap_or_default();
    assert!(error.contains("256 KiB"), "{error}");
}

#[test]
fn a_template_may_use_the_text_as_a_whole() {
    let request = request(&[("body", "{{ text }}"), ("content_type", "application/json")], &outage()).unwrap();
    let text: String = serde_json::from_slice(&request.body).unwrap();
    assert!(text.starts_with("Tokyo is down\n\nSeen by 2 of 3 regions."), "{text}");
    assert!(text.ends_with("Acknowledge: https://uptime.example/alerts/34?token=t0k3n"), "{text}");
}
