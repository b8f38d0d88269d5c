//! Prometheus Alertmanager: alerts of its API, version 2.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::spec::Spec;
use crate::{
    Message, Topic,
    channel::{
        answer::Answer,
        fault::Fault,
        field::{Field, Format, PROXY, Settings},
        guarantee::Guarantee,
        outgoing::HttpRequest,
    },
    layout::{self, PLAIN},
};

/// The longest text of an annotation, in bytes.
const LONGEST: usize = 4000;

pub(crate) const ALERTMANAGER: Spec = Spec {
    name: "alertmanager",
    about: "an Alertmanager of Prometheus",
    fields: &[
        Field::required("url", Format::Url, "the URL of Alertmanager, without /api", "Alertmanager 的 URL，不含 /api"),
        Field::optional(
            "labels",
            Format::Text,
            "more labels, such as team=net,env=prod",
            "附加标签，如 team=net,env=prod",
        ),
        Field::optional(
            "token",
            Format::Text,
            "a bearer token, for a proxy in front of it",
            "Bearer 令牌，用于其前面的代理",
        )
        .secret(),
        PROXY,
    ],
    // An alert with the same labels is the same alert.
    guarantee: Guarantee::AtLeastOnce,
    check: |settings| labels(settings).map(drop).map_err(|why| ("labels", why)),
    request: |settings, message, _| {
        let url = settings.endpoint("url", "", &["api", "v2", "alerts"])?;
        let request = HttpRequest::json(url, &json!([alert(labels(settings)?, message)]));
        Ok(match settings.get("token") {
            Some(token) => request.with_header("Authorization", format!("Bearer {}", token.trim())),
            None => request,
        }
        .into())
    },
    verdict: Answer::by_status,
};

fn alert(mut labels: BTreeMap<String, String>, message: &Message) -> Value {
    // They are the identity of the alert, so the recovery needs the same: nothing that differs may be among them.
    labels.insert("alertname".to_owned(), "EasyTierUptime".to_owned());
    labels.insert("subject".to_owned(), layout::clean(&message.subject));
    let without_links = Message { url: None, acknowledge: None, ..message.clone() };
    let mut annotations = BTreeMap::from([
        ("summary", layout::title(message, &PLAIN, LONGEST)),
        ("description", layout::body(&without_links, &PLAIN, LONGEST)),
        ("severity", json!(message.severity).as_str().unwrap_or_default().to_owned()),
        ("topic", json!(message.topic).as_str().unwrap_or_default().to_owned()),
    ]);
    if let Some(url) = &message.acknowledge {
        annotations.insert("acknowledge", url.to_string());
    }
    let (starts, ends) = times(message);
    let mut alert = json!({ "labels": labels, "annotations": annotations, "endsAt": ends.to_rfc3339() });
    if let Some(starts) = starts {
        alert["startsAt"] = json!(starts.to_rfc3339());
    }
    if let Some(url) = &message.url {
        alert["generatorURL"] = json!(url);
    }
    alert
}

/// When the alert begins and ends. Without an end Alertmanager would resolve it after a few minutes, because it expects to be
/// told again.
fn times(message: &Message) -> (Option<DateTime<Utc>>, DateTime<Utc>) {
    let lasts = match message.topic {
        // The beginning is known from the message of the outage.
        _ if message.is_end() => return (None, message.at),
        Topic::Test => TimeDelta::minutes(5),
        Topic::Flapping => TimeDelta::hours(1),
        _ => TimeDelta::days(30),
    };
    (Some(message.at), message.at + lasts)
}

/// The labels of the setting: `name=value`, separated by commas.
fn labels(settings: &Settings) -> Result<BTreeMap<String, String>, Fault> {
    let mut labels = BTreeMap::new();
    for pair in settings.or("labels", "").split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| Fault::new("labels are like team=net,env=prod", "标签的格式应如 team=net,env=prod"))?;
        let (name, value) = (name.trim(), value.trim());
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !begins || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(Fault::new("the name of a label has letters, digits and _", "标签名只能包含字母、数字和 _"));
        }
        if ["alertname", "subject"].contains(&name) {
            return Err(Fault::new(format!("the label {name} is set already"), format!("标签 {name} 由系统设置")));
        }
        labels.insert(name.to_owned(), value.to_owned());
    }
    Ok(labels)
}
