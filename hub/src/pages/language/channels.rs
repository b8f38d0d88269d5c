//! The texts about channels and their rules.

use easytier_uptime_alerts::{
    Change, ChannelError, ChannelKind, Language as Words, Outcome, QuietHoursError, RuleError,
};

use super::Language;

texts! {
    /// The fixed texts about channels and rules in one language.
    ChannelTexts:

    title: "Channels", "通知渠道";
    hint: "A channel is where people are told of changes: a chat, a mailbox, a phone. Its rules say which changes of which nodes.",
        "通知渠道是发送通知的去处：群聊、邮箱或手机。渠道的规则决定哪些节点的哪些变化会发到这里。";
    no_public_url: "Messages have no links to these pages, because PUBLIC_URL is not set.",
        "未设置 PUBLIC_URL，通知中不会带有指向本站的链接。";
    channel: "Channel", "渠道";
    rules: "Rules", "规则";
    no_rules: "No rule yet: nothing is told here.", "还没有规则，不会发送任何通知。";
    last_message: "Last message", "最近一条通知";
    no_message: "none yet", "暂无";
    off: "off", "已停用";
    new: "New channel", "新建渠道";
    choose: "Next", "下一步";
    enable: "Enable", "启用";
    disable: "Disable", "停用";
    edit: "Edit", "编辑";
    remove: "Remove", "删除";
    test: "Send a test", "发送测试";
    added: "The channel is added. Give it a rule, and send a test.", "渠道已添加，请为它添加规则，并发送一条测试。";
    enabled: "The channel is enabled.", "渠道已启用。";
    disabled: "The channel is disabled: nothing is told there.", "渠道已停用，不再向其发送通知。";
    removed: "The channel is removed.", "渠道已删除。";
    remove_title: "Remove this channel?", "删除此渠道？";
    remove_hint: "Its rules are removed too, and its messages that wait are not sent.", "其规则将一并删除，尚未发出的通知不再发送。";
    settings: "Settings", "设置";
    unchanged: "Empty: unchanged.", "留空则不变。";
    clear: "Remove this value", "清除此项";
    usual: "(default)", "（默认）";
    new_rule: "New rule", "新建规则";
    rule: "Rule", "规则";
    rule_added: "The rule is added.", "规则已添加。";
    rule_removed: "The rule is removed.", "规则已删除。";
    rule_remove_title: "Remove this rule?", "删除此规则？";
    rule_remove_hint: "What it told is no longer told to be up again.", "它通知过的问题恢复后不会再通知。";
    what: "What is told", "通知内容";
    nodes_hint: "Separated by commas. Empty: all nodes.", "多个用逗号分隔，留空表示全部节点。";
    regions_hint: "Nodes that are checked from one of these, and its probes.", "由其中某个地区检测的节点，以及该地区的探针。";
    when: "When", "时机";
    after: "After", "持续多久后通知";
    after_hint: "How long a change has to last, such as 5m. 0s: at once.", "变化需持续的时间，例如 5m；0s 表示立即。";
    gather: "Gather for", "合并时间";
    gather_hint: "What happens within this time is one message; 5m at most.", "在此时间内发生的变化合并为一条通知，最长 5m。";
    remind: "Remind every", "提醒间隔";
    remind_hint: "From 10m to 720h, until somebody acknowledges. Empty: never.", "10m 到 720h，确认后停止；留空表示不提醒。";
    days: "Certificate expires within (days)", "证书到期提前天数";
    days_hint: "From 1 to 365.", "1 到 365。";
    version: "Versions before", "低于此版本";
    version_hint: "Such as 2.4.5. Only for “an old version”.", "例如 2.4.5，仅用于“版本过旧”。";
    quiet: "Quiet hours", "免打扰时段";
    quiet_hint: "Nothing is told between these times of day; what still holds then is told at the end.",
        "此时段内不通知，结束时仍存在的问题再通知。";
    from: "From", "开始";
    to: "To", "结束";
    language: "Language of the messages", "通知语言";
    preview: "Preview of the last 7 days", "预览最近 7 天";
    preview_title: "What this rule would have sent in the last 7 days", "最近 7 天按此规则会发送的通知";
    preview_none: "Nothing.", "没有。";
    preview_cut: "There were very many changes; the first days are left out.", "变化过多，最早几天未计入。";
}

impl Language {
    pub fn channels(self) -> &'static ChannelTexts {
        self.pick(&ENGLISH, &CHINESE)
    }

    /// The name of a kind of channel.
    pub fn channel_kind(self, kind: ChannelKind) -> &'static str {
        match kind {
            ChannelKind::Webhook => "Webhook",
            ChannelKind::Mail => self.pick("Email", "邮件"),
            ChannelKind::Telegram => "Telegram",
            ChannelKind::Discord => "Discord",
            ChannelKind::Slack => "Slack",
            ChannelKind::Matrix => "Matrix",
            ChannelKind::Ntfy => "ntfy",
            ChannelKind::Bark => "Bark",
            ChannelKind::ServerChan => self.pick("ServerChan", "Server酱"),
            ChannelKind::DingTalk => self.pick("DingTalk", "钉钉"),
            ChannelKind::WeCom => self.pick("WeCom", "企业微信"),
            ChannelKind::Feishu => self.pick("Feishu / Lark", "飞书"),
            ChannelKind::Alertmanager => "Alertmanager",
            ChannelKind::PagerDuty => "PagerDuty",
        }
    }

    /// A change that a rule tells.
    pub fn change(self, change: Change) -> &'static str {
        match change {
            Change::Down => self.pick("A node is offline", "节点离线"),
            Change::Partial => self.pick("A node is online for some regions only", "节点仅部分地区可达"),
            Change::Unknown => self.pick("Nothing current is known about a node", "节点没有最新结果"),
            Change::Up => self.pick("Recovery from what was reported", "通知过的问题已恢复"),
            Change::Probe => self.pick("A probe stops reporting", "探针停止上报"),
            Change::Certificate => self.pick("The certificate of a node expires soon", "节点证书即将到期"),
            Change::Version => self.pick("A node runs an old version of EasyTier", "节点的 EasyTier 版本过旧"),
            Change::Relay => {
                self.pick("A node does not relay although it is declared to", "节点声明提供中继但实测不可用")
            }
            Change::Duty => self.pick("No hub runs one of the background tasks", "某项后台任务没有 hub 执行"),
        }
    }

    /// How a test of a channel ended.
    pub fn tested(self, outcome: &Outcome) -> String {
        let (english, chinese, why) = match outcome {
            Outcome::Delivered => {
                return self.pick("The channel took the test message.", "渠道已接收测试消息。").to_owned();
            }
            Outcome::Retry { why, .. } => ("The test message could not be sent now", "测试消息暂时无法送达", why),
            Outcome::Refused { why } => ("The channel refused the test message", "渠道拒收测试消息", why),
            Outcome::Unclear { why } => ("The test message may have arrived", "测试消息不一定送达", why),
        };
        self.labelled(self.pick(english, chinese), why)
    }

    /// How many messages a rule would have sent.
    pub fn previewed(self, count: usize) -> String {
        self.pick(format!("Messages: {count}"), format!("共 {count} 条通知"))
    }

    /// Why the settings of a channel are not valid.
    pub(super) fn channel_problem(self, error: &ChannelError) -> String {
        match error {
            ChannelError::Missing { .. } => self.pick("Fill in this field.", "此项为必填项。").to_owned(),
            ChannelError::Invalid { why, .. } => match self {
                Self::English => format!("This value cannot be used: {}.", why.in_language(Words::English)),
                Self::Chinese => format!("此值不可用：{}。", why.in_language(Words::Chinese)),
            },
            ChannelError::Unknown { .. } => {
                self.pick("A channel of this kind has no such setting.", "此类渠道没有这项设置。").to_owned()
            }
        }
    }

    /// Why a rule cannot be followed.
    pub(super) fn rule_problem(self, error: RuleError) -> &'static str {
        match error {
            RuleError::NothingToTell | RuleError::NoChange => {
                self.pick("Tick at least one change besides “well again”.", "除“已恢复”外，请至少勾选一种变化。")
            }
            RuleError::TooLate => self.pick("Enter at most 168h.", "最长 168h。"),
            RuleError::Reminder => self.pick("Enter 10m to 720h.", "请填写 10m 到 720h。"),
            RuleError::Group => self.pick("Enter at most 5m.", "最长 5m。"),
            RuleError::CertificateDays => self.pick("Enter 1 to 365.", "请填写 1 到 365。"),
            RuleError::Version => self.pick(
                "Tick “an old version” and write the first version that is not told, such as 2.4.5; or neither.",
                "请勾选“版本过旧”并填写不再通知的最低版本，例如 2.4.5；或两者都不填。",
            ),
            RuleError::TooManyNames => {
                self.pick("Name at most 1000 nodes, tags and regions.", "节点、标签和地区合计最多 1000 个。")
            }
            // An error of a newer library.
            _ => self.pick("This rule cannot be followed.", "此规则无法执行。"),
        }
    }

    /// Why quiet hours are not valid.
    pub(super) fn quiet_problem(self, error: QuietHoursError) -> &'static str {
        match error {
            QuietHoursError::Hours => self.pick(
                "Enter two different times of day, such as 22:00 and 07:00.",
                "请填写两个不同的时间，例如 22:00 和 07:00。",
            ),
            QuietHoursError::Zone => self.pick(
                "Write the name of a time zone such as Europe/Berlin, Asia/Shanghai or UTC.",
                "请填写时区名称，例如 Asia/Shanghai、Europe/Berlin 或 UTC。",
            ),
        }
    }
}
