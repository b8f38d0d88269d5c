//! The mail that asks who reads a mailbox for a confirmation.

use easytier_probe::backend::BaseUrl;
use easytier_uptime_alerts::{Language, Message, Severity, Topic};
use easytier_uptime_store::{Store, domain::Timestamp};
use uuid::Uuid;

use super::links;

/// Asks whether mails about the node with this name are wanted.
pub(super) fn confirmation(
    store: &Store,
    public_url: &BaseUrl,
    mailbox: Uuid,
    id: Uuid,
    node: &str,
    language: Language,
) -> Message {
    let site = public_url.join("/");
    let site = site.host_str().unwrap_or_default();
    let (title, lines) = match language {
        Language::English => (
            format!("Mails about {node}: please confirm"),
            [
                format!(
                    "Somebody, probably you, asked at {site} for a mail to this address whenever this node goes down or is up \
                     again: {node}."
                ),
                "Nothing of this is sent until you confirm it on the page of the first link. Opening the page changes nothing."
                    .to_owned(),
                "If it was not you, you need not do anything. If you unsubscribe, nobody can have you asked again for 30 days."
                    .to_owned(),
            ],
        ),
        Language::Chinese => (
            format!("请确认订阅：{node}"),
            [
                format!("有人（可能是您本人）在 {site} 申请：节点“{node}”离线或恢复时，向此邮箱发送邮件。"),
                "请打开第一个链接并在页面上确认；确认之前不会发送这些邮件，仅打开页面不会有任何改动。".to_owned(),
                "如非本人操作，忽略本邮件即可；点击退订后，30 天内不会再向您发送确认邮件。".to_owned(),
            ],
        ),
    };
    Message {
        id,
        topic: Topic::Subscription,
        severity: Severity::Info,
        subject: format!("subscription/{mailbox}"),
        title,
        lines: lines.into(),
        nodes: Vec::new(),
        url: Some(links::manage_url(store, public_url, mailbox)),
        acknowledge: None,
        unsubscribe: Some(links::unsubscribe_url(store, public_url, mailbox)),
        at: Timestamp::now().into(),
        language,
    }
}
