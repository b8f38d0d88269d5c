//! The languages of the pages: the choice of a language for a reader, and its texts.

/// Fixed texts in one language, and those in English and in Simplified Chinese.
macro_rules! texts {
    ($(#[$doc:meta])* $texts:ident: $($name:ident: $english:literal, $chinese:literal;)+) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $texts {
            $(pub $name: &'static str,)+
        }

        pub(super) static ENGLISH: $texts = $texts { $($name: $english,)+ };
        pub(super) static CHINESE: $texts = $texts { $($name: $chinese,)+ };
    };
}

mod alerts;
mod audit;
mod channels;
mod checks;
mod imports;
mod incidents;
mod instances;
mod maintenance;
mod managed;
mod modes;
mod queue;
mod refusals;
mod relay;
mod reports;
mod requested_checks;
mod sources;
mod subscriptions;
mod texts;
mod times;

use axum::http::{HeaderMap, header};
use easytier_probe::Relay;
use easytier_uptime_store::domain::{Doubt, ImportCounts, Presence, Scope, Verdict};

pub use self::texts::Texts;
use crate::{board::Sight, web::cookie};

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    English,
    Chinese,
}

/// The cookie that remembers the reader's choice.
pub const COOKIE: &str = "uptime_lang";

impl Language {
    pub const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// The name in `?lang=` and in the cookie.
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }

    /// The language tag for HTML.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }

    /// The name of the language in the language itself.
    pub fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Chinese => "中文",
        }
    }

    pub fn texts(self) -> &'static Texts {
        match self {
            Self::English => &texts::ENGLISH,
            Self::Chinese => &texts::CHINESE,
        }
    }

    /// The language of messages to readers of this one.
    pub fn of_messages(self) -> easytier_uptime_alerts::Language {
        match self {
            Self::English => easytier_uptime_alerts::Language::English,
            Self::Chinese => easytier_uptime_alerts::Language::Chinese,
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.name() == name)
    }

    /// The language in the cookie, else the one that the browser prefers.
    pub fn of(headers: &HeaderMap) -> Self {
        cookie(headers, COOKIE).and_then(Self::from_name).unwrap_or_else(|| {
            let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
            Self::preferred(accepted.unwrap_or_default())
        })
    }

    /// The best match of an `Accept-Language` header; English when nothing matches.
    fn preferred(accepted: &str) -> Self {
        let mut best = (Self::English, 0.0);
        for range in accepted.split(',') {
            let (tag, quality) = match range.split_once(';') {
                None => (range, 1.0),
                Some((tag, parameter)) => {
                    let quality = parameter.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok());
                    (tag, quality.unwrap_or(0.0))
                }
            };
            let primary = tag.trim().split('-').next().unwrap_or_default().to_ascii_lowercase();
            if let Some(language) = Self::from_name(&primary)
                && quality > best.1
            {
                best = (language, quality);
            }
        }
        best.0
    }

    pub fn verdict(self, verdict: Verdict) -> &'static str {
        let texts = self.texts();
        match verdict {
            Verdict::Up => texts.up,
            Verdict::Partial => texts.partial,
            Verdict::Down => texts.down,
            Verdict::Unknown => texts.unknown,
        }
    }

    /// The state in an event, which the store keeps as text: a verdict of a node, the presence of a probe, or whether a node relays.
    pub fn state(self, state: &str) -> String {
        let texts = self.texts();
        let verdict = Verdict::ALL.into_iter().find(|verdict| verdict.as_str() == state);
        let known = verdict.map(|verdict| self.verdict(verdict)).or(match state {
            "online" => Some(texts.online),
            "offline" => Some(texts.offline),
            _ => Relay::ALL.into_iter().find(|relay| relay.name() == state).map(|relay| self.relay_state(relay)),
        });
        known.map_or_else(|| state.to_owned(), str::to_owned)
    }

    pub fn presence(self, presence: Presence) -> &'static str {
        let texts = self.texts();
        match presence {
            Presence::Online => texts.online,
            Presence::Degraded => texts.degraded,
            Presence::Overdue => texts.overdue,
            Presence::Offline => texts.offline,
        }
    }

    /// Between a heading and its explanation on the same line.
    pub fn dash(self) -> &'static str {
        self.pick(" — ", "：")
    }

    /// Between the items of a list.
    pub fn comma(self) -> &'static str {
        self.pick(", ", "、")
    }

    /// How many nodes a region sees in which state.
    pub fn sight(self, sight: Sight) -> String {
        let texts = self.texts();
        let counts = [
            (sight.online, texts.up),
            (sight.partial, texts.partial),
            (sight.offline, texts.down),
            (sight.unknown, texts.unknown),
        ];
        let told = counts.iter().enumerate().filter(|(nth, (count, _))| *nth == 0 || *count > 0);
        let told: Vec<String> = told.map(|(_, (count, state))| format!("{count} {}", state.to_lowercase())).collect();
        let told = told.join(self.comma());
        self.pick(format!("nodes: {told}"), format!("节点：{told}"))
    }

    /// Between two sentences on the same line.
    pub fn sentence_gap(self) -> &'static str {
        self.pick(" ", "")
    }

    /// `text` after its label.
    pub fn labelled(self, label: &str, text: &str) -> String {
        match self {
            Self::English => format!("{label}: {text}"),
            Self::Chinese => format!("{label}：{text}"),
        }
    }

    /// The label of a badge that shows the uptime over some days.
    pub fn uptime_of_days(self, days: u32) -> String {
        let uptime = self.texts().uptime;
        self.pick(format!("{uptime} {days}d"), format!("{uptime} {days} 天"))
    }

    /// The outcome of an import.
    pub fn imported(self, ImportCounts { added, unlisted, known }: ImportCounts) -> String {
        match (self, unlisted) {
            (Self::English, 0) => format!("Added: {added}. Already listed: {known}."),
            (Self::English, _) => format!("Added: {added}. Already listed: {known}. Added but not listed: {unlisted}."),
            (Self::Chinese, 0) => format!("已添加 {added} 个，已存在 {known} 个。"),
            (Self::Chinese, _) => format!("已添加 {added} 个（其中 {unlisted} 个未上架），已存在 {known} 个。"),
        }
    }

    /// What an import would do.
    pub fn importable(self, new: usize, known: usize) -> String {
        self.pick(
            format!("Nothing is imported yet. To be added: {new}. Already listed: {known}."),
            format!("尚未导入。将添加 {new} 个，已存在 {known} 个。"),
        )
    }

    /// How many entries an import leaves out.
    pub fn left_out(self, invalid: usize) -> String {
        self.pick(format!("Invalid entries left out: {invalid}."), format!("已忽略 {invalid} 个无效条目："))
    }

    /// How many more items of a list there are than shown.
    pub fn more(self, count: usize) -> String {
        self.pick(format!("… and {count} more"), format!("……另有 {count} 个"))
    }

    /// That the nodes are shown as they were at `time`.
    pub fn stale(self, time: &str) -> String {
        self.pick(
            format!("The hub cannot reach its database at the moment. Nodes are shown as they were at {time}."),
            format!("服务器暂时无法连接数据库，以下显示的是 {time} 的状态。"),
        )
    }

    /// Why a region does not count for some nodes.
    pub fn doubt(self, Doubt { turned, nodes }: Doubt) -> String {
        self.pick(
            format!(
                "Not counted: {turned} of {nodes} nodes turned offline at once while other regions see them. Waiting for \
                 the next check."
            ),
            format!("暂不采信：{nodes} 个节点中有 {turned} 个同时离线，而其他地区仍可访问。等待下一次检测确认。"),
        )
    }

    /// What an API key with a scope may do.
    pub fn scope(self, scope: Scope) -> &'static str {
        match scope {
            Scope::Read => self.pick("read nodes and probes", "读取节点和探针"),
            Scope::Instances => self.pick("change who leads", "切换主实例"),
            Scope::Checks => self.pick("have nodes checked", "发起检测"),
            Scope::Nodes => self.pick("manage probes", "管理探针"),
            Scope::Peers => self.pick("manage nodes", "管理节点"),
            Scope::Metrics => self.pick("read the metrics", "读取指标"),
            Scope::Audit => self.pick("read the audit log", "读取审计日志"),
            Scope::Settings => self.pick("change the settings", "修改设置"),
            _ => scope.as_str(),
        }
    }

    fn pick<T>(self, english: T, chinese: T) -> T {
        match self {
            Self::English => english,
            Self::Chinese => chinese,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_match_of_accept_language_wins() {
        let of = |accepted| Language::preferred(accepted).name();
        assert_eq!(of(""), "en");
        assert_eq!(of("de, fr;q=0.9"), "en");
        assert_eq!(of("zh-CN,zh;q=0.9,en;q=0.8"), "zh");
        assert_eq!(of("en-GB,zh;q=0.9"), "en");
        assert_eq!(of("de, zh-Hans-CN;q=0.7, en;q=0.3"), "zh");
        assert_eq!(of("zh;q=0, en;q=0.1"), "en");
        assert_eq!(of("zh;q=much"), "en");
    }

    #[test]
    fn the_cookie_wins_over_the_browser() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, "zh".parse().unwrap());
        assert_eq!(Language::of(&headers), Language::Chinese);
        headers.insert(header::COOKIE, "a=b; uptime_lang=en".parse().unwrap());
        assert_eq!(Language::of(&headers), Language::English);
        headers.insert(header::COOKIE, "uptime_lang=xx".parse().unwrap());
        assert_eq!(Language::of(&headers), Language::Chinese);
    }
}
