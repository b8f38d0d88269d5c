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
    either(language, announcement).map_or("", |(text, _)| text)
}

/// The tag of the language of the text, if it is not that of the page.
fn foreign(language: Language, announcement: &Announcement) -> Option<&'static str> {
    either(language, announcement).filter(|(_, written)| *written != language).map(|(_, written)| written.tag())
}

fn either(language: Language, announcement: &Announcement) -> Option<(&str, Language)> {
    language.either(announcement.content.english.as_deref(), announcement.content.chinese.as_deref())
}

fn class(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "warning announcement info",
        Severity::Warning => "warning announcement",
        Severity::Critical => "warning announcement bad",
    }
}
