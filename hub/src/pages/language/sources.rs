//! The texts about sources.

use easytier_probe::remote_list::{MAX_PAGES, Obstacle};
use easytier_uptime_store::domain::{ListFault, Source, SourceProblem};

use super::Language;

texts! {
    /// The fixed texts about sources in one language.
    SourceTexts:

    title: "Sources", "来源";
    hint: "Lists of nodes that this hub keeps following. New nodes await approval unless the source is trusted; nodes that a list \
           lacks for a day are not watched any more, and their history stays. A node that you change here or remove is yours: \
           its source leaves it alone.",
        "本站持续跟踪的节点列表。新节点需审核，来源受信任时除外；从列表中消失满一天的节点不再检测，历史记录会保留。你在此修改或删除过的节点由你管理，来源不再改动。";
    list: "List", "列表";
    next: "Next fetch", "下次获取";
    new: "New source", "新建来源";
    url: "Address of the list", "列表网址";
    url_hint: "Of a site, or of a list in any form that can be imported.", "站点网址，或任何可导入格式的列表网址。";
    name_hint: "Empty: the host of the address.", "留空则使用网址中的主机名。";
    every: "Fetch every", "获取间隔";
    every_hint: "Such as 10m or 6h.", "例如 10m 或 6h。";
    trusted: "Trust this source", "信任此来源";
    trusted_hint: "Its nodes are listed without approval, and checks of them may reach private addresses. Whoever runs that site decides.",
        "其中的节点无需审核即可上架，检测时也可以访问内网地址；列表内容由对方站点决定。";
    is_trusted: "trusted", "受信任";
    add: "Follow", "添加";
    added: "The source is added, and is being fetched.", "来源已添加，正在获取。";
    asked: "The list is being fetched. Load this page again in a moment.", "正在获取列表，请稍后刷新本页。";
    removed: "The source is removed.", "来源已删除。";
    fetch: "Fetch now", "立即获取";
    take_short: "Take the short list", "接受缩短后的列表";
    failed: "not read; nothing changed", "读取失败，未作更改";
    is_read: "read", "已读取";
    not_tried: "not fetched yet", "尚未获取";
    last_read: "Last read", "上次读取：";
    remove: "Remove", "删除";
    remove_title: "Remove this source?", "删除此来源？";
    remove_hint: "The nodes that it brought stay.", "由它带来的节点会保留。";
}

impl Language {
    pub fn sources(self) -> &'static SourceTexts {
        self.pick(&ENGLISH, &CHINESE)
    }

    /// How many nodes a source has, and how many of them it brought.
    pub fn source_counts(self, source: &Source) -> String {
        let Source { listed, brought, waiting, .. } = source;
        let wait = match waiting {
            0 => String::new(),
            _ => self.pick(
                format!("; {waiting} wait for room in the queue of approval"),
                format!("；另有 {waiting} 个等待审核队列腾出空位"),
            ),
        };
        let counts = self.pick(
            format!("{listed} listed, {brought} here because of it"),
            format!("列出 {listed} 个，其中 {brought} 个由它带来"),
        );
        counts + &wait
    }

    /// How many entries of a source are no nodes.
    pub fn source_refusals(self, refused: u32) -> String {
        match refused {
            1 => self.pick("1 entry is not a node".to_owned(), "1 项无法识别".to_owned()),
            _ => self.pick(format!("{refused} entries are not nodes"), format!("{refused} 项无法识别")),
        }
    }

    /// Why a list cannot be used.
    pub fn source_problem(self, problem: &SourceProblem) -> String {
        match (self, problem) {
            (Self::English, SourceProblem::Unreadable { cause, .. }) => cause.clone(),
            (Self::Chinese, SourceProblem::Unreadable { cause, fault }) => chinese(fault, cause),
            (Self::English, SourceProblem::Short { listed, before }) => {
                format!("It has only {listed} nodes and had {before}.")
            }
            (Self::English, problem) => format!("{problem}."),
            (Self::Chinese, SourceProblem::Empty) => "列表中没有可检测的节点。".to_owned(),
            (Self::Chinese, SourceProblem::Short { listed, before }) => {
                format!("列表只剩 {listed} 个节点，之前有 {before} 个。")
            }
            (Self::Chinese, SourceProblem::Long { listed, max }) => {
                format!("列表有 {listed} 个节点，来源最多 {max} 个。")
            }
            (Self::Chinese, SourceProblem::Slow { seconds }) => format!("{seconds} 秒内未能取完列表。"),
        }
    }
}

fn chinese(fault: &ListFault, cause: &str) -> String {
    match fault {
        ListFault::Unreachable(obstacle) => format!("无法连接：{}。", chinese_obstacle(*obstacle)),
        ListFault::CutOff => "传输中断，列表不完整。".to_owned(),
        ListFault::Answered { status: 404 } => {
            "对方返回 404；请填写站点网址，或其节点列表的网址，例如 https://HOST/api/nodes。".to_owned()
        }
        ListFault::Answered { status: status @ (401 | 403) } => format!("对方返回 {status}；只能读取公开的列表。"),
        ListFault::Answered { status } => format!("对方返回 {status}。"),
        ListFault::NotAList(problem) => Language::Chinese.list_problem(problem),
        ListFault::TooLong { max_bytes } => format!("列表超过 {} MiB。", max_bytes >> 20),
        ListFault::TooManyPages => format!("列表超过 {MAX_PAGES} 页。"),
        ListFault::Incomplete { given, announced: Some(announced) } => {
            format!("对方称有 {announced} 个节点，但只给出 {given} 个。")
        }
        ListFault::Incomplete { given, announced: None } => {
            format!("给出 {given} 个节点后，对方称还有更多，但未给出。")
        }
        ListFault::Other => format!("无法读取列表：{cause}"),
    }
}

fn chinese_obstacle(obstacle: Obstacle) -> &'static str {
    match obstacle {
        Obstacle::Name => "域名解析失败",
        Obstacle::Refused => "连接被拒绝",
        Obstacle::Timeout => "对方未及时响应",
        Obstacle::Tls => "TLS 连接失败，例如证书不受信任",
        Obstacle::Redirect => "重定向过多，或从 https 重定向到 http",
        // Also what a newer library tells apart.
        _ => "网络错误",
    }
}
