//! The texts of the pages, in English and in Simplified Chinese, side by side.

use axum::http::{HeaderMap, header};
use easytier_probe::{FailureCode, Stage};

use crate::{consensus::Verdict, model::Presence, web::cookie};

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    English,
    Chinese,
}

/// What remembers a choice.
pub const COOKIE: &str = "uptime_lang";

impl Language {
    pub const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// As `?lang=` and the cookie name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }

    /// As HTML names it.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }

    /// In the language itself.
    pub fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Chinese => "中文",
        }
    }

    pub fn texts(self) -> &'static Texts {
        match self {
            Self::English => &ENGLISH,
            Self::Chinese => &CHINESE,
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.name() == name)
    }

    /// The one that was chosen before, else the one that the browser prefers.
    pub fn of(headers: &HeaderMap) -> Self {
        cookie(headers, COOKIE).and_then(Self::from_name).unwrap_or_else(|| {
            let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
            Self::preferred(accepted.unwrap_or_default())
        })
    }

    /// The best of an `Accept-Language`; English where it names none of ours.
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

    /// The word of an event, which the store keeps as text.
    pub fn state(self, word: &str) -> String {
        let texts = self.texts();
        let verdict = Verdict::ALL.into_iter().find(|verdict| verdict.as_str() == word);
        let known = verdict.map(|verdict| self.verdict(verdict)).or(match word {
            "online" => Some(texts.online),
            "offline" => Some(texts.offline),
            _ => None,
        });
        known.map_or_else(|| word.to_owned(), str::to_owned)
    }

    pub fn presence(self, presence: Presence) -> &'static str {
        let texts = self.texts();
        match presence {
            Presence::Online => texts.online,
            Presence::Degraded => texts.overdue,
            Presence::Offline => texts.offline,
        }
    }

    pub fn stage(self, stage: Stage) -> &'static str {
        let (english, chinese) = match stage {
            Stage::Resolve => ("finding the address", "解析地址"),
            Stage::Connect => ("connecting", "建立连接"),
            Stage::Handshake => ("handshake", "握手"),
            Stage::Admit => ("being let in", "准入"),
            Stage::Ping => ("ping", "Ping"),
            Stage::Route => ("route information", "路由信息"),
            Stage::Relay => ("relaying", "中继"),
            _ => (stage.as_str(), stage.as_str()),
        };
        self.pick(english, chinese)
    }

    /// What a failure means to somebody who wants to use the node.
    pub fn failure(self, code: FailureCode) -> &'static str {
        let (english, chinese) = match code {
            FailureCode::InvalidUrl => ("The address cannot be one of a node", "地址不是有效的节点地址"),
            FailureCode::UnsupportedProtocol => ("The probe cannot speak this protocol", "探针不支持此协议"),
            FailureCode::ForbiddenAddress => ("The address is not a public one", "地址不是公网地址"),
            FailureCode::DnsFailed => ("The host name leads to no address", "域名无法解析"),
            FailureCode::ResolverFailed => {
                ("The list behind the address names no usable node", "地址背后的列表里没有可用节点")
            }
            FailureCode::ConnectRefused => ("Nobody listens at the port", "端口没有服务在监听"),
            FailureCode::ConnectTimeout => ("No answer from the address", "连接超时，地址没有应答"),
            FailureCode::Unreachable => ("There is no way to the address", "地址不可达"),
            FailureCode::TlsFailed => ("The encrypted connection (TLS) failed", "TLS 加密连接失败"),
            FailureCode::HandshakeTimeout => ("The port is open, but nothing answers there", "端口已开放，但没有应答"),
            FailureCode::NotEasytier => ("The port answers, but it is not EasyTier", "端口有应答，但不是 EasyTier"),
            FailureCode::ProtocolMismatch => ("EasyTier of another protocol version", "EasyTier 协议版本不同"),
            FailureCode::NetworkMismatch => ("The node belongs to another network", "节点属于另一个网络"),
            FailureCode::SecretMismatch => ("The node has another network secret", "网络密钥不一致"),
            FailureCode::Rejected => ("The node turns strangers away", "节点拒绝陌生人接入"),
            FailureCode::PingTimeout => ("The node lets one in, but answers no ping", "节点已接入，但 Ping 没有应答"),
            FailureCode::Closed => ("The node closed the connection", "节点断开了连接"),
            FailureCode::RelayRefused => ("The node does not relay", "节点不提供中继"),
            FailureCode::Internal => ("The probe itself failed", "探针自身出错"),
            FailureCode::ProbeUnreachable => ("The probe itself had no network", "探针自身没有网络"),
            FailureCode::MissedWindow => ("The check could not start in time", "检查未能按时开始"),
            _ => (code.as_str(), code.as_str()),
        };
        self.pick(english, chinese)
    }

    pub fn pick(self, english: &'static str, chinese: &'static str) -> &'static str {
        match self {
            Self::English => english,
            Self::Chinese => chinese,
        }
    }
}

macro_rules! texts {
    ($($name:ident: $english:literal, $chinese:literal;)+) => {
        /// Everything that the pages say in fixed words.
        #[derive(Debug)]
        pub struct Texts {
            $(pub $name: &'static str,)+
        }

        static ENGLISH: Texts = Texts { $($name: $english,)+ };
        static CHINESE: Texts = Texts { $($name: $chinese,)+ };
    };
}

texts! {
    // The frame
    site: "EasyTier Uptime", "EasyTier 节点监测";
    skip: "Skip to the content", "跳到正文";
    main_navigation: "Pages", "页面";
    nodes: "Nodes", "节点";
    probes: "Probes", "探针";
    submit: "Submit a node", "提交节点";
    admin: "Admin", "管理";
    language: "Language", "语言";
    theme: "Light or dark", "浅色或深色";
    feed: "Feed of changes", "状态变化订阅";
    api: "API", "API";
    footer: "Each node is checked by speaking the EasyTier protocol to it, as a stranger who uses it would.",
        "每个节点都以普通使用者的方式、通过 EasyTier 协议进行检测。";
    live: "Live", "实时";
    live_hint: "Numbers refresh by themselves. Press to pause.", "数据自动刷新，点击可暂停。";

    // States
    up: "Online", "在线";
    partial: "Partly online", "部分在线";
    down: "Offline", "离线";
    unknown: "Unknown", "未知";
    online: "Online", "在线";
    offline: "Offline", "离线";
    overdue: "Overdue", "延迟";

    // The list
    nodes_title: "Shared EasyTier nodes", "EasyTier 共享节点";
    search: "Search", "搜索";
    search_hint: "Name, address or description", "名称、地址或描述";
    tag: "Tag", "标签";
    protocol: "Protocol", "协议";
    region: "Seen from", "观测地区";
    any: "Any", "不限";
    relay_only: "Offers relay", "提供中继";
    online_only: "Online only", "仅在线";
    sort: "Sort by", "排序";
    sort_best: "Best first", "推荐";
    sort_name: "Name", "名称";
    sort_latency: "Latency", "延迟";
    sort_uptime: "Uptime, 24 hours", "24 小时可用率";
    sort_load: "Load", "负载";
    apply: "Apply", "应用";
    clear: "Clear all", "全部清除";
    filters: "Filters", "筛选";
    active_filters: "Active filters", "当前筛选";
    remove_filter: "Remove", "移除";
    node: "Node", "节点";
    last_day: "Last 24 hours", "最近 24 小时";
    uptime: "Uptime", "可用率";
    day: "24 h", "24 时";
    week: "7 d", "7 天";
    month: "30 d", "30 天";
    latency: "Latency", "延迟";
    version: "Version", "版本";
    load: "Load", "负载";
    connect: "Connect", "连接";
    copy_address: "Copy address", "复制地址";
    copy_command: "Copy command", "复制命令";
    copied: "Copied", "已复制";
    copy_failed: "Copying was not allowed", "无法复制";
    relay: "Relay", "中继";
    relay_hint: "Its owner offers to relay", "节点主人愿意提供中继";
    no_nodes: "No node matches these filters.", "没有符合条件的节点。";
    no_nodes_at_all: "No nodes yet. Submit the first one.", "还没有节点，来提交第一个吧。";
    pages: "Pages of the list", "分页";
    previous: "Previous", "上一页";
    next: "Next", "下一页";
    no_checks: "no checks", "无检测";
    bar_hint: "Use the arrow keys to read single quarters of an hour", "用方向键查看每个 15 分钟";
    now: "now", "现在";

    // A node
    about: "About", "概况";
    address: "Address", "地址";
    command: "Command", "命令";
    since: "since", "自";
    tags: "Tags", "标签";
    description: "Description", "描述";
    last_checked: "Last check", "最近检测";
    never: "never", "从未";
    yes: "yes", "是";
    no: "no", "否";
    latency_by_region: "Latency by region", "各地区延迟";
    range: "Time range", "时间范围";
    range_hour: "1 hour", "1 小时";
    range_day: "24 hours", "24 小时";
    range_week: "7 days", "7 天";
    range_month: "30 days", "30 天";
    as_table: "As a table", "以表格显示";
    no_latency: "No latency was measured in this time.", "这段时间没有延迟数据。";
    failures: "What went wrong", "失败原因";
    failures_hint: "Checks that failed within the time range, as far back as single results are kept.",
        "时间范围内失败的检测，仅限仍保留的原始结果。";
    no_failures: "Nothing: no check failed in this time.", "没有失败的检测。";
    reason: "Reason", "原因";
    got_to: "Got as far as", "到达阶段";
    times: "Times", "次数";
    last_time: "Last time", "最近一次";
    regions: "What each region sees", "各地区观测";
    no_regions: "No region has checked this node yet.", "还没有地区检测过此节点。";
    says: "Says", "结论";
    last_result: "Last result", "最近结果";
    when: "When", "时间";
    time: "Time", "时间";
    changes: "Changes", "状态变化";
    no_changes: "Nothing has changed yet.", "暂无变化。";
    regions_agree: "regions online", "个地区在线";
    badges: "Badges", "徽章";
    badges_hint: "For a README or a forum post:", "可用于 README 或论坛：";
    checks: "checks", "次检测";

    // Probes
    probes_title: "Probes", "探针";
    probes_intro: "Where the nodes are checked from. A node is online when more than half of the regions reach it.",
        "节点从以下地区检测；超过半数地区可达即为在线。";
    no_probes: "No probe has reported yet.", "还没有探针上报。";
    probe: "Probe", "探针";
    heard: "Last heard", "最近上报";
    every: "Checks every", "检测间隔";
    watches: "Watches", "监测节点";
    healthy: "healthy", "正常";
    waiting: "Results waiting", "待上报结果";
    round_trip: "Median round trip", "往返延迟中位数";

    // Submit
    submit_title: "Submit a node", "提交节点";
    submit_intro: "Anyone may submit a node. It is listed once the person who runs this site has approved it.",
        "任何人都可以提交节点，经站长审核后显示。";
    the_node: "The node", "节点信息";
    name: "Name", "名称";
    host: "Host", "主机";
    host_hint: "A host name or a public address", "域名或公网地址";
    port: "Port", "端口";
    max_connections: "Networks it takes", "可接纳网络数";
    allow_relay: "It relays for others", "愿意提供中继";
    tags_hint: "Separated by commas", "用逗号分隔";
    private_network: "A private network (optional)", "私有网络（可选）";
    private_hint: "Only for a node that takes no strangers: it is then checked as a member of its network.",
        "仅适用于不接受陌生人的节点：将以网络成员身份检测。";
    network_name: "Network name", "网络名称";
    network_secret: "Network secret", "网络密钥";
    contact: "How to reach you", "联系方式";
    contact_hint: "At least one. Only the person who runs this site sees it.", "至少填写一项，仅站长可见。";
    qq_number: "QQ number", "QQ 号";
    wechat: "WeChat", "微信";
    mail: "Mail", "邮箱";
    test: "Test the connection", "测试连接";
    testing: "Testing, five seconds at most …", "测试中，最多 5 秒……";
    test_good: "The node works", "节点可用";
    test_bad: "The node could not be used", "节点不可用";
    send: "Submit", "提交";
    sent: "Thank you. The node is listed once it is approved.", "谢谢！审核通过后将显示。";
    failed: "That did not work", "操作失败";
    secret_again: "Write the secret again: it is never shown.", "请重新填写密钥：密钥不会回显。";
    too_often: "That was often enough for now. Try again later.", "操作过于频繁，请稍后再试。";
    listed_already: "The node is listed already, or waits for approval.", "节点已列出或正在等待审核。";
    wrong_name: "Give it a name, of at most 100 characters.", "请填写名称，最多 100 个字符。";
    wrong_host: "Write a host name or an address; an international name in its xn-- form, and the port apart.",
        "请填写域名或 IP 地址；国际化域名用 xn-- 形式，端口另填。";
    wrong_port: "The port is a whole number from 1 to 65535.", "端口应为 1 到 65535 的整数。";
    wrong_mail: "At least one way to reach you is needed, and a mail address has the form name@example.net.",
        "请至少填写一种联系方式；邮箱格式如 name@example.net。";
    wrong_tags: "At most 16 tags, each of at most 64 characters.", "最多 16 个标签，每个最多 64 个字符。";
    wrong_max_connections: "It takes a whole number of networks, from 1 to 1,000,000.", "可接纳网络数应为 1 到 1000000 的整数。";
    too_long: "A field is longer than can be kept.", "有字段超出长度限制。";

    // The admin's
    admin_needs_script: "The admin's pages take JavaScript.", "管理页面需要启用 JavaScript。";
    log_in: "Log in", "登录";
    log_out: "Log out", "退出登录";
    password: "Password", "密码";
    keys: "Tokens and keys", "令牌与密钥";
    events: "Events", "事件";
    queue: "Waiting for approval", "待审核";
    queue_empty: "Nothing is waiting.", "没有待审核的节点。";
    listed: "Listed", "已列出";
    status: "Status", "状态";
    reach: "Contact", "联系方式";
    waits: "Waits", "待审核";
    actions: "Actions", "操作";
    approve: "Approve", "通过";
    take_off: "Take off the list", "下架";
    delete: "Delete", "删除";
    delete_sure: "Delete this node for good?", "确定永久删除此节点？";
    remove: "Remove", "移除";
    remove_sure: "Remove this probe for good? Its token ends; what it saw stays.", "确定移除此探针？其令牌将失效，检测记录保留。";
    export: "Export", "导出";
    save: "Save", "保存";
    cancel: "Cancel", "取消";
    checking: "How it is checked", "检测方式";
    watched_from: "Regions that check it (all when empty)", "检测地区（留空为全部）";
    depth: "Check", "检测深度";
    depth_full: "Full", "完整";
    depth_handshake: "Handshake only", "仅握手";
    deadline: "Deadline in ms, 0 for the usual", "超时（毫秒），0 为默认";
    new_secret: "New network secret (stays as it is when empty)", "新的网络密钥（留空则不变）";
    remove_secret: "Remove the secret: check it as a stranger", "移除密钥：以陌生人身份检测";
    new_key: "A new token or key", "新建令牌或密钥";
    kind: "Kind", "类型";
    kind_node: "Node tokens of probes", "探针令牌";
    kind_api: "API keys", "API 密钥";
    kind_enrollment: "Enrollment keys", "注册密钥";
    its_region: "Region", "地区";
    create: "Create", "创建";
    created: "Created", "创建时间";
    revoke: "Revoke", "吊销";
    revoked: "revoked", "已吊销";
    issued: "Here it is", "创建成功";
    issued_hint: "It is shown this once. Keep it in a safe place.", "仅显示这一次，请妥善保存。";
    copy: "Copy", "复制";
    none: "None.", "暂无。";
    import: "Import", "导入";
    import_hint: "An export, with descriptions, regions, contacts and all; or the JSON of a site's list, a table (CSV), TOML, or \
                  addresses one a line. What is listed already stays as it is.",
        "可粘贴导出文件（含描述、地区、联系方式等）、站点列表的 JSON、表格（CSV）、TOML，或每行一个地址。已列出的节点保持不变。";
    the_list: "The list", "列表";
    nothing_imported: "Nothing was imported", "未导入任何节点";
    added: "Added", "已添加";
    known: "Known before", "已存在";
    settings: "Settings", "设置";
    settings_hint: "What is saved holds within seconds, at all hubs on this database. An empty field is what it would be anyway.",
        "保存后数秒内对共用此数据库的所有服务生效。留空则恢复默认值。";
    judging: "What the regions say", "地区结论";
    keeping: "How long things are kept", "数据保留";
    local_checks: "The probe in this process", "本进程的探针";
    intervals_elsewhere: "How often a probe checks is said where the probe is configured.", "检测间隔由各探针自己的配置决定。";
    check_every: "Each node is checked every", "每个节点的检测间隔";
    report_every: "Results that say nothing new are kept every", "无变化结果的记录间隔";
    right_count: "A whole number from 1 to 100.", "1 到 100 的整数。";
    right_retention: "From 24h to 87840h (ten years).", "24h 到 87840h（十年）。";
    right_check_interval: "At least 100ms; such as 5s.", "至少 100ms，例如 5s。";
    right_report_interval: "Whole seconds, such as 30s or 5m.", "整数秒，例如 30s 或 5m。";
    usually: "Usually", "默认";
    fixed_by: "Fixed by", "由配置固定：";
    saved: "Saved", "已保存";
    not_saved: "Nothing was saved: see below what is not right", "未保存：请检查下方标出的项目";
    damping: "Results in a row that change a region's word", "改变地区结论所需的连续结果数";
    keep_results: "Single results are kept", "原始结果保留";
    keep_five_minutes: "Counts of five minutes are kept", "五分钟统计保留";
    keep_hours: "Counts of an hour are kept", "小时统计保留";
    keep_events: "Events are kept", "事件保留";

    // Errors
    not_found: "There is nothing here", "页面不存在";
    not_found_hint: "The page or the node does not exist, or is not listed any more.", "页面或节点不存在，或已不再列出。";
    wrong_request: "That address is not right", "请求有误";
    broken: "The hub cannot answer right now", "服务暂时无法应答";
    back: "To the list of nodes", "返回节点列表";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_that_is_preferred_most_is_taken() {
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
    fn a_choice_counts_more_than_the_browser() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, "zh".parse().unwrap());
        assert_eq!(Language::of(&headers), Language::Chinese);
        headers.insert(header::COOKIE, "a=b; uptime_lang=en".parse().unwrap());
        assert_eq!(Language::of(&headers), Language::English);
        headers.insert(header::COOKIE, "uptime_lang=xx".parse().unwrap());
        assert_eq!(Language::of(&headers), Language::Chinese);
    }
}
