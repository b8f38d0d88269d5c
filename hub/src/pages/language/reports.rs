//! The texts of the reports of months.

use std::time::Duration;

use easytier_uptime_store::domain::{Month, Timestamp};

use super::Language;
use crate::pages::format;

texts! {
    /// The fixed texts of the reports in one language.
    ReportTexts:

    title: "Monthly reports", "月度报告";
    month: "Month", "月份";
    all_tags: "All nodes", "全部节点";
    tag: "Tag", "标签";
    target: "Target in %", "目标（%）";
    show: "Show", "查看";
    json: "JSON", "JSON";
    csv: "CSV", "CSV";
    availability: "Availability", "可用率";
    with_maintenance: "With maintenance", "含维护时间";
    met: "Target met", "达标";
    outages: "Outages", "故障次数";
    longest: "Longest outage", "最长故障";
    recovery: "Mean time to recover", "平均恢复时间";
    yes: "yes", "是";
    no: "no", "否";
    by_tag: "By tag", "按标签";
    by_node: "By node", "按节点";
    no_nodes: "No node has this tag.", "没有带此标签的节点。";
    counting: "A month is one in UTC. Availability is the share of the time with a verdict in which a node was up; partial counts \
               half, and maintenance does not count. An outage lasts from the verdict “down” until the node is seen online again. The \
               mean is over the outages that ended in the month.",
        "月份按 UTC 计算。可用率是有检测结论的时间中节点在线所占的比例；部分可达按一半计，维护时间不计入。故障从判定为离线开始，到再次在线为止。平均恢复时间只统计当月结束的故障。";
}

impl Language {
    pub fn reports(self) -> &'static ReportTexts {
        self.pick(&ENGLISH, &CHINESE)
    }

    /// A month of a year.
    pub fn month(self, month: Month) -> String {
        const NAMES: [&str; 12] = [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ];
        let (year, number) = month.parts();
        let name = NAMES.get(number as usize - 1).unwrap_or(&"");
        self.pick(format!("{name} {year}"), format!("{year} 年 {number} 月"))
    }

    /// That a month goes on.
    pub fn until(self, at: Timestamp) -> String {
        let at = format::minute(at);
        self.pick(format!("Until {at} UTC; the month goes on."), format!("截至 {at} UTC，本月尚未结束。"))
    }

    /// That outages are not complete.
    pub fn outages_since(self, at: Timestamp) -> String {
        let at = format::minute(at);
        self.pick(
            format!("Outages are known since {at} UTC only; availability is complete."),
            format!("故障记录从 {at} UTC 开始；可用率数据完整。"),
        )
    }

    /// How many nodes reached the target, of those with a verdict.
    pub fn met(self, met: u64, of: u64) -> String {
        self.pick(format!("{met} of {of}"), format!("{met}/{of}"))
    }

    /// A length of time in its two largest units.
    pub fn length(self, length: Duration) -> String {
        let seconds = length.as_secs();
        let (first, second) = match seconds {
            0..60 => (length, 0),
            60..3600 => (length, seconds % 60),
            3600..172_800 => (length, seconds % 3600),
            _ => (length, seconds % 86_400),
        };
        let rest = Duration::from_secs(second);
        match second {
            0 => self.span(first),
            // Minutes are not shown beside days.
            1..3600 if seconds >= 172_800 => self.span(first),
            1..60 if seconds >= 3600 => self.span(first),
            _ => format!("{} {}", self.span(first), self.span(rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_has_at_most_two_units() {
        let length = |seconds| Language::English.length(Duration::from_secs(seconds));
        assert_eq!(
            [0, 59, 60, 90, 3600, 3659, 3660, 172_800, 176_399, 180_000].map(length),
            ["0 s", "59 s", "1 min", "1 min 30 s", "1 h", "1 h", "1 h 1 min", "2 days", "2 days", "2 days 2 h"]
        );
        assert_eq!(Language::Chinese.length(Duration::from_secs(90)), "1 分钟 30 秒");
    }

    #[test]
    fn a_month_has_its_name() {
        let month = "2026-11".parse().unwrap();
        assert_eq!(
            [Language::English, Language::Chinese].map(|language| language.month(month)),
            ["November 2026", "2026 年 11 月"]
        );
    }
}
