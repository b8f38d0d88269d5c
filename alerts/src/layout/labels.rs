//! The few words of a message that are not given: labels of its links, and what is left out.

use crate::Language;

/// The label of the link to the page.
pub fn open(language: Language) -> &'static str {
    match language {
        Language::English => "Details",
        Language::Chinese => "查看详情",
    }
}

/// The label of the link to the page where the reader says that they know.
pub fn acknowledge(language: Language) -> &'static str {
    match language {
        Language::English => "Acknowledge",
        Language::Chinese => "确认收到",
    }
}

/// The label of the link to the page where a visitor says that they want mails.
pub fn confirm(language: Language) -> &'static str {
    match language {
        Language::English => "See and confirm",
        Language::Chinese => "查看并确认订阅",
    }
}

/// The label of the link to the page where a visitor ends or changes what they subscribed to.
pub fn unsubscribe(language: Language) -> &'static str {
    match language {
        Language::English => "Unsubscribe",
        Language::Chinese => "退订",
    }
}

/// How many nodes there was no room for.
pub fn left_out(language: Language, count: usize) -> String {
    match (language, count) {
        (Language::English, 1) => "1 more node, left out for its length".to_owned(),
        (Language::English, count) => format!("{count} more nodes, left out for their length"),
        (Language::Chinese, count) => format!("篇幅所限，另有 {count} 个节点未列出"),
    }
}
