//! What the operator announces, at the top of every page.

use easytier_uptime_store::domain::{Announcement, Severity};
use maud::{Markup, html};

use super::{language::Language, view::View};

/// The announcements that are shown now.
pub fn banners(view: &View) -> Markup {
    html! {
        @for announcement in &*view.announcements {
            p class=(class(announcement.content.severity)) role="note" lang=[foreign(view.language, announcement)] {
                (text(view.language, announcement))
            }
        }
    }
}

/// The text in the language of the reader, or else in the other one.
pub fn text(language: Language, announcement: &Announcement) -> &str {
    let content = &announcement.content;
    let (own, other) = match language {
        Language::English => (&content.english, &content.chinese),
        Language::Chinese => (&content.chinese, &content.english),
    };
    own.as_deref().or(other.as_deref()).unwrap_or_default()
}

/// The tag of the language of the text, if it is not that of the page.
fn foreign(language: Language, announcement: &Announcement) -> Option<&'static str> {
    match language {
        Language::English if announcement.content.english.is_none() => Some(Language::Chinese.tag()),
        Language::Chinese if announcement.content.chinese.is_none() => Some(Language::English.tag()),
        _ => None,
    }
}

fn class(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "warning announcement info",
        Severity::Warning => "warning announcement",
        Severity::Critical => "warning announcement bad",
    }
}
