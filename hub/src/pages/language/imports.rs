//! Problems with a list of nodes to import.

use easytier_probe::peer_list::ListedPeerError;

use super::Language;
use crate::peer_file::{Place, Problem, Unit};

impl Language {
    /// A problem with a node of the list, after the place of the node.
    pub fn import_problem(self, place: &Place, problem: &Problem) -> String {
        match self {
            Self::English => format!("{place}: {problem}"),
            Self::Chinese => format!("{}：{}", chinese_place(place), chinese(problem)),
        }
    }

    /// A problem with the list as a whole.
    pub fn list_problem(self, problem: &Problem) -> String {
        match self {
            Self::English => format!("The list is {problem}"),
            Self::Chinese => chinese(problem),
        }
    }
}

fn chinese_place(Place { unit, number, label }: &Place) -> String {
    let place = match unit {
        Unit::Line => format!("第 {number} 行"),
        Unit::Peer => format!("第 {number} 个节点"),
    };
    match label {
        Some(label) => format!("{place}（{label}）"),
        None => place,
    }
}

fn chinese(problem: &Problem) -> String {
    match problem {
        Problem::NotToml(detail) => format!("不是有效的 TOML：{detail}"),
        Problem::NotJson(detail) => format!("不是有效的 JSON：{detail}"),
        Problem::NotCsv(detail) => format!("不是有效的 CSV：{detail}"),
        Problem::NoAddressColumn => "CSV 首行应为列名，其中须有 url，或 host 和 port。".to_owned(),
        Problem::NoList => "未找到节点列表：应为数组，或含有 peers 或 data.items 的对象。".to_owned(),
        Problem::NotAPeer(detail) => format!("不是有效的节点：{detail}"),
        Problem::TooManyCells { cells, columns } => format!("该行有 {cells} 个单元格，而表头只有 {columns} 列。"),
        Problem::Row(detail) => format!("无法读取该行：{detail}"),
        Problem::NotANumber { column, cell } => format!("{column} 应为整数，而不是“{cell}”。"),
        Problem::NotABoolean { column, cell } => format!("{column} 应为 true 或 false，而不是“{cell}”。"),
        Problem::NoSecret => {
            "该节点以网络成员身份检测，但缺少网络密钥：请用 --with-secrets 导出，或将 access 改为 guest。".to_owned()
        }
        Problem::UnknownCheck(check) => format!("check 应为 full 或 handshake，而不是“{check}”。"),
        Problem::ZeroTimeout => "timeout_ms 不能为 0。".to_owned(),
        Problem::Label(_) => "标签和地区每项 1 到 64 个字符，不含逗号和控制字符。".to_owned(),
        Problem::Peer(ListedPeerError::NoAddress) => "缺少 url、host 或 public_ip。".to_owned(),
        Problem::Peer(ListedPeerError::NoId) => "缺少 id。".to_owned(),
        Problem::Peer(ListedPeerError::NoPort) => "缺少 port。".to_owned(),
        Problem::Peer(ListedPeerError::Url(error)) => Language::Chinese.url(error).to_owned(),
        Problem::Peer(_) => "节点无效。".to_owned(),
    }
}
