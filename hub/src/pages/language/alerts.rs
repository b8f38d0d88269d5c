//! The texts about alerts: what is wrong, what is muted, what was sent; and the page that links in messages lead to.

use easytier_uptime_alerts::policy::{Duty, Subject, Trouble};
use easytier_uptime_store::domain::{DeliveryState, Timestamp};

use super::Language;
use crate::{pages::format, service::LinkError};

texts! {
    /// The fixed texts about alerts in one language.
    AlertTexts:

    title: "Alerts", "告警";
    wrong_now: "Active alerts", "当前问题";
    nothing_wrong: "No active alerts.", "按各渠道的规则，当前没有问题。";
    subject: "What", "对象";
    trouble: "Problem", "问题";
    since: "Since", "开始于";
    rule: "Rule", "规则";
    told: "notified", "已通知";
    not_told: "not notified yet", "尚未通知";
    flapping: "Flapping", "反复上下线";
    hub: "This hub", "本服务";
    acknowledge: "Acknowledge", "确认";
    acknowledged: "Acknowledged: no more reminders.", "已确认，不再提醒。";
    mute: "Mute", "静音";
    hours: "Hours", "小时数";
    hour_unit: "h", "小时";
    muted: "Muted.", "已静音。";
    mutes: "Muted", "已静音";
    mutes_hint: "Muted items send no notifications. What is still wrong when the mute ends is reported then.",
        "静音期间不发送通知，结束时仍存在的问题再通知。";
    until: "Until", "至";
    by: "By", "操作者";
    unmute: "End", "解除";
    unmuted: "The mute has ended.", "已解除静音。";
    mute_more: "Mute something", "设置静音";
    scope: "What", "范围";
    everything: "Everything", "全部";
    one_node: "One node", "单个节点";
    node_id: "Node ID", "节点 ID";
    node_id_hint: "For “One node”.", "选择“单个节点”时填写。";
    messages: "Messages", "通知记录";
    no_messages: "No messages.", "暂无通知。";
    all: "All", "全部";
    waiting: "Waiting", "等待发送";
    sent: "Sent", "已发送";
    failed: "Failed", "发送失败";
    dropped: "Dropped: its channel was removed", "已丢弃：渠道已删除";
    message: "Message", "通知";
    channel: "Channel", "渠道";
    removed_channel: "removed", "已删除";
    repeat: "Send again", "重新发送";
    repeated: "The message is sent again.", "将重新发送此通知。";
    older: "Older", "更早";
    link_title: "Alert", "告警";
    link_over: "Resolved: nothing that this message is about is wrong any more.", "已恢复：此通知涉及的问题均已消失。";
    link_wrong: "Still wrong", "仍未恢复";
    link_muted: "Muted until", "静音至";
    link_acknowledge_hint: "No more reminders are sent. The recovery is still reported.",
        "确认后不再提醒，恢复时仍会通知。";
    link_mute_hint: "No notifications about it are sent until then.", "到期前不再就此发送通知。";
    link_mutes_rule: "The message is about many nodes, so its whole rule is muted: it sends nothing until then.",
        "此通知涉及的节点较多，静音将作用于整条规则：到期前该规则不发送任何通知。";
    link_dependent: "This instance does not send alerts now, so nothing can be acknowledged or muted here.",
        "本实例目前不负责发送通知，无法在此确认或静音。";
    now: "Now", "当前状态";
}

impl Language {
    pub fn alerts(self) -> &'static AlertTexts {
        self.pick(&ENGLISH, &CHINESE)
    }

    /// What is wrong.
    pub fn trouble(self, trouble: Trouble) -> &'static str {
        match trouble {
            Trouble::Down => self.texts().down,
            Trouble::Partial => self.texts().partial,
            Trouble::Unknown => self.texts().unknown,
            Trouble::Outdated => self.pick("Runs an old version", "版本过旧"),
            Trouble::Expiring => self.pick("Its certificate expires soon", "证书即将到期"),
            Trouble::NotRelaying => self.pick("Is declared to relay, and does not", "声明提供中继但实测不可用"),
            Trouble::Idle => self.pick("No hub does this", "没有 hub 执行"),
            Trouble::Silent => self.pick("Does not report", "停止上报"),
            Trouble::Blind => self.pick("Knows nothing current about most nodes", "多数节点没有最新结果"),
        }
    }

    /// What something is about that has no name any more.
    pub fn subject(self, subject: Subject) -> String {
        let texts = self.texts();
        match subject {
            Subject::Node(id) | Subject::Certificate(id) | Subject::Version(id) | Subject::Relay(id) => {
                format!("{} #{id}", texts.node)
            }
            Subject::Duty(duty) => self.duty(duty).to_owned(),
            Subject::Probe(id) => format!("{} #{id}", texts.probe),
            Subject::Hub => self.alerts().hub.to_owned(),
        }
    }

    /// What one hub does at a time.
    fn duty(self, duty: Duty) -> &'static str {
        match duty {
            Duty::Fold => self.pick("Evaluating results", "根据检测结果判定状态"),
            Duty::Presence => self.pick("Tracking probes", "检测探针上下线"),
            Duty::Retention => self.pick("Deleting expired data", "清理过期数据"),
            Duty::Instance => self.pick("Communicating with the other instances", "与其他实例通信"),
        }
    }

    /// Who acknowledged something, and when.
    pub fn acknowledged_by(self, by: &str, at: Timestamp) -> String {
        let at = format::minute(at);
        self.pick(format!("acknowledged by {by}, {at} UTC"), format!("{by} 已确认，{at} UTC"))
    }

    /// The button that mutes for some hours.
    pub fn mute_for(self, hours: u32) -> String {
        self.pick(format!("Mute for {hours} h"), format!("静音 {hours} 小时"))
    }

    pub fn delivery_state(self, state: DeliveryState) -> &'static str {
        let texts = self.alerts();
        match state {
            DeliveryState::Waiting => texts.waiting,
            DeliveryState::Sent => texts.sent,
            DeliveryState::Failed => texts.failed,
            DeliveryState::Dropped => texts.dropped,
        }
    }

    /// One of several rules of a channel.
    pub fn nth_rule(self, nth: usize) -> String {
        self.pick(format!("rule {nth}"), format!("规则 {nth}"))
    }

    /// How often a message was tried.
    pub fn attempts(self, count: u32) -> String {
        self.pick(format!("attempts: {count}"), format!("已尝试 {count} 次"))
    }

    /// Why a link cannot be used.
    pub(super) fn link(self, error: LinkError) -> &'static str {
        match error {
            LinkError::Wrong => self.pick(
                "This link is not complete, or its message is gone. Take the whole link from the message.",
                "链接不完整，或对应的通知已被清除。请使用通知中的完整链接。",
            ),
            LinkError::Expired => self.pick(
                "This link was valid for 14 days. The operator can acknowledge and mute on the page of alerts.",
                "此链接有效期为 14 天，现已失效。站长可在告警页面确认或静音。",
            ),
        }
    }
}
