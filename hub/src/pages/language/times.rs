//! Lengths of time as people read them.

use std::time::Duration;

use super::Language;

impl Language {
    /// A length of time in its largest unit.
    pub fn span(self, length: Duration) -> String {
        let seconds = length.as_secs();
        let (count, english, chinese) = match seconds {
            0..60 => (seconds, "s", "秒"),
            60..3600 => (seconds / 60, "min", "分钟"),
            3600..172_800 => (seconds / 3600, "h", "小时"),
            _ => (seconds / 86_400, "days", "天"),
        };
        format!("{count} {}", self.pick(english, chinese))
    }

    /// How long ago something happened.
    pub fn ago(self, elapsed: Duration) -> String {
        let span = self.span(elapsed);
        self.pick(format!("{span} ago"), format!("{span}前"))
    }

    /// In how long something will happen.
    pub fn ahead(self, left: Duration) -> String {
        let span = self.span(left);
        self.pick(format!("in {span}"), format!("{span}后"))
    }

    /// How long a state has lasted.
    pub fn lasting(self, elapsed: Duration) -> String {
        let span = self.span(elapsed);
        self.pick(format!("for {span}"), format!("已持续 {span}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_their_largest_unit() {
        let ago = |seconds| Language::English.ago(Duration::from_secs(seconds));
        assert_eq!([5, 61, 7200, 200_000].map(ago), ["5 s ago", "1 min ago", "2 h ago", "2 days ago"]);
        assert_eq!(Language::Chinese.ago(Duration::from_secs(5)), "5 秒前");
        assert_eq!(Language::Chinese.lasting(Duration::from_secs(7200)), "已持续 2 小时");
    }
}
