//! The texts about maintenance.

use easytier_uptime_store::domain::{Coverage, NodeMaintenance, RuleError, ScheduleError, Timestamp};

use super::Language;
use crate::pages::format;

texts! {
    /// The fixed texts about maintenance in one language.
    MaintenanceTexts:

    title: "Maintenance", "维护";
    in_maintenance: "maintenance", "维护中";
    with_maintenance: "with maintenance", "含维护";
    hint: "While a window takes place, its nodes are checked and their status is shown, but nobody is told of it and uptime does \
           not count the time.",
        "维护期间仍会检测并显示节点状态，但不发送通知，也不计入可用率。";
    hint_for_visitors: "The node is checked all the same. Uptime does not count the time.",
        "节点仍在检测，这段时间不计入可用率。";
    window: "Window", "计划";
    covers: "For", "范围";
    when: "When", "时间";
    now_until: "Now, until", "进行中，至";
    over: "Over", "已结束";
    new: "New window", "新建维护计划";
    edit: "Edit", "编辑";
    end: "End now", "立即结束";
    remove: "Remove", "删除";
    added: "The window is made.", "维护计划已创建。";
    ended: "The maintenance has ended.", "维护已结束。";
    removed: "The window is removed.", "维护计划已删除。";
    what: "What visitors read", "访客看到的说明";
    title_field: "Title", "标题";
    title_zh: "Title in Chinese", "中文标题";
    which: "Which nodes", "适用节点";
    all: "All nodes", "全部节点";
    nodes: "Node IDs", "节点 ID";
    nodes_hint: "Separated by commas.", "多个用逗号分隔。";
    tags: "Tags", "标签";
    regions: "Regions", "地区";
    regions_hint: "Nodes that are checked from one of these and not from every region.", "由其中某个地区检测、而非所有地区都检测的节点。";
    schedule: "Time", "时间";
    start: "First start", "首次开始";
    start_hint: "On the clocks of the time zone. Empty: now.", "按所填时区的时间；留空表示现在。";
    time_zone: "Time zone", "时区";
    time_zone_hint: "Such as Europe/Berlin or UTC.", "例如 Asia/Shanghai 或 UTC。";
    minutes: "Length in minutes", "时长（分钟）";
    repeat: "Repeat", "重复";
    once: "Once", "不重复";
    daily: "Every day", "每天";
    weekly: "Every week", "每周";
    monthly: "Every month", "每月";
    by_rule: "By a rule", "按规则";
    rrule: "Rule", "规则";
    rrule_hint: "RRULE of RFC 5545, such as FREQ=MONTHLY;BYDAY=1SU; only with “By a rule”.",
        "RFC 5545 的 RRULE，例如 FREQ=MONTHLY;BYDAY=1SU；仅在选择“按规则”时使用。";
    until: "Last day", "最后一天";
    until_hint: "Empty: without an end.", "留空表示不结束。";
    remove_title: "Remove this window?", "删除此维护计划？";
    remove_hint: "The maintenance that has taken place stays out of the uptime.", "已发生的维护仍不计入可用率。";
}

impl Language {
    pub fn maintenance(self) -> &'static MaintenanceTexts {
        self.pick(&ENGLISH, &CHINESE)
    }

    /// What a node's maintenance is for.
    pub fn maintenance_title(self, maintenance: &NodeMaintenance) -> &str {
        self.title(&maintenance.title, maintenance.title_zh.as_deref())
    }

    /// One of the titles of a window.
    pub fn title<'a>(self, title: &'a str, title_zh: Option<&'a str>) -> &'a str {
        self.pick(title, title_zh.unwrap_or(title))
    }

    /// Until when a node is in maintenance.
    pub fn maintenance_until(self, until: Timestamp) -> String {
        let until = format::minute(until);
        self.pick(format!("Maintenance until {until} UTC"), format!("维护中，至 {until} UTC"))
    }

    /// Which nodes a window is for.
    pub fn coverage(self, coverage: &Coverage) -> String {
        let texts = self.maintenance();
        if coverage.all {
            return texts.all.to_owned();
        }
        let list = |items: Vec<String>| items.join(self.comma());
        let parts = [
            (self.texts().nodes, list(coverage.peers.iter().map(ToString::to_string).collect())),
            (texts.tags, list(coverage.tags.iter().map(ToString::to_string).collect())),
            (texts.regions, list(coverage.regions.iter().map(ToString::to_string).collect())),
        ];
        let named = parts.iter().filter(|(_, items)| !items.is_empty());
        named.map(|(label, items)| self.labelled(label, items)).collect::<Vec<_>>().join(self.pick("; ", "；"))
    }

    /// Why the time of a window is not valid.
    pub(super) fn schedule(self, error: &ScheduleError) -> &'static str {
        match error {
            ScheduleError::Start => self.pick(
                "Write the start as 2027-01-31T02:00, without an offset.",
                "请按 2027-01-31T02:00 的格式填写开始时间，不带时差。",
            ),
            ScheduleError::Zone => self.pick(
                "Write the name of a time zone such as Europe/Berlin, Asia/Shanghai or UTC.",
                "请填写时区名称，例如 Asia/Shanghai、Europe/Berlin 或 UTC。",
            ),
            ScheduleError::Until => {
                self.pick("Write the last day as 2027-12-31.", "请按 2027-12-31 的格式填写最后一天。")
            }
            ScheduleError::UntilWithoutRule => {
                self.pick("Only a window that is repeated has a last day.", "只有重复的维护计划才有最后一天。")
            }
            ScheduleError::Never => self.pick(
                "There is no such day from the first start to the last day.",
                "从首次开始到最后一天之间没有符合规则的日期。",
            ),
            ScheduleError::Rule(RuleError::Frequency) => self.pick(
                "FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY.",
                "FREQ 只能是 DAILY、WEEKLY、MONTHLY 或 YEARLY。",
            ),
            ScheduleError::Rule(RuleError::Part(_)) => self.pick(
                "The rule has a part that is not allowed: a window begins once a day at most.",
                "规则中含有不支持的部分：每天最多开始一次。",
            ),
            ScheduleError::Rule(RuleError::Number) => self.pick(
                "INTERVAL must be 1 to 366, COUNT 1 to 10000.",
                "INTERVAL 须为 1 到 366，COUNT 须为 1 到 10000。",
            ),
            ScheduleError::Rule(_) => self.pick(
                "This is no rule of RFC 5545. Write it as FREQ=WEEKLY;BYDAY=SU.",
                "不是有效的 RFC 5545 规则，请写成 FREQ=WEEKLY;BYDAY=SU 的形式。",
            ),
            // Also errors of a newer store.
            _ => self.pick("This value is not valid.", "格式不正确。"),
        }
    }
}
