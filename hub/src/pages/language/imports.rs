//! Problems with a list of nodes to import.

use easytier_probe::peer_list::{
    Expected, JsonMistake, JsonMistakeKind, ListProblem, Part, PeerProblem, Place, TomlMistake, Unit,
};

use super::Language;
use crate::peer_file::Problem;

impl Language {
    /// A problem with a node of the list, after the place of the node.
    pub fn import_problem(self, place: &Place, problem: &Problem) -> String {
        match self {
            Self::English => format!("{place}: {problem}"),
            Self::Chinese => format!("{}：{}", chinese_place(place), chinese(problem)),
        }
    }

    /// A problem with the list as a whole.
    pub fn list_problem(self, problem: &ListProblem) -> String {
        match self {
            Self::English => format!("The list is {problem}"),
            Self::Chinese => chinese_list(problem),
        }
    }
}

fn chinese_place(Place { unit, number, label }: &Place) -> String {
    let place = match unit {
        Unit::Line => format!("第 {number} 行"),
        Unit::Peer => format!("第 {number} 个节点"),
        Unit::Url => format!("第 {number} 个地址"),
    };
    match label {
        Some(label) => format!("{place}（{label}）"),
        None => place,
    }
}

fn chinese_list(problem: &ListProblem) -> String {
    match problem {
        ListProblem::Utf16 => "文本编码为 UTF-16，请另存为 UTF-8。".to_owned(),
        ListProblem::NotUtf8 => "文本编码不是 UTF-8，请另存为 UTF-8。".to_owned(),
        ListProblem::WebPage => "这是网页，不是节点列表；请使用列表本身的地址。".to_owned(),
        ListProblem::NotToml(mistake) => format!("不是有效的 TOML：{}", chinese_toml(mistake)),
        ListProblem::NotJson(mistake) => format!("不是有效的 JSON：{}", chinese_json(mistake)),
        ListProblem::NotCsv(_) => "无法作为 CSV 读取。".to_owned(),
        ListProblem::NoAddressColumn => "CSV 首行应为列名，其中须有 url，或 host 和 port。".to_owned(),
        ListProblem::NoList => "未找到节点列表：应为数组，或含有 peers 或 data.items 的对象。".to_owned(),
        ListProblem::NoPeerTable => "TOML 中没有节点：应有 [[peers]]，或 EasyTier 配置中的 [[peer]]。".to_owned(),
        ListProblem::OpenQuote => "命令行中的引号没有闭合。".to_owned(),
        ListProblem::Part(part) => {
            format!("{}请把所有页合并为一个列表，或用 hub peer import 按网址导入，它会读取所有页。", chinese_part(part))
        }
        ListProblem::TooLong { max } => format!("列表超过 {max} 项。"),
        ListProblem::Hidden { count } => format!("该列表隐藏了全部 {count} 个节点的地址，无法检测。"),
        // Also problems of a newer library.
        _ => "无法读取该列表。".to_owned(),
    }
}

fn chinese_part(Part { count, total, page, pages }: &Part) -> String {
    let page = match (page, pages) {
        (Some(page), Some(pages)) => format!("这只是 {pages} 页中的第 {page} 页"),
        (None, Some(pages)) => format!("这只是 {pages} 页中的一页"),
        (_, None) => "这只是列表的一部分".to_owned(),
    };
    match total {
        Some(total) => format!("{page}，共 {total} 个节点，这里只有 {count} 个。"),
        None => format!("{page}，有 {count} 个节点。"),
    }
}

fn chinese(problem: &Problem) -> String {
    match problem {
        Problem::Label(_) => "标签和地区每项 1 到 64 个字符，不含逗号和控制字符。".to_owned(),
        Problem::Peer(problem) => chinese_peer(problem),
    }
}

fn chinese_peer(problem: &PeerProblem) -> String {
    match problem {
        PeerProblem::NotAPeer => "应为节点的 URL，或含有节点字段的对象。".to_owned(),
        PeerProblem::WrongType { field, expected } => format!("{field} 应为{}。", chinese_type(*expected)),
        PeerProblem::TooManyCells { cells, columns } => {
            format!("该行有 {cells} 个单元格，而表头只有 {columns} 列。")
        }
        PeerProblem::TooManyConnections { max } => format!("连接方式超过 {max} 种。"),
        PeerProblem::Row(_) => "无法读取该行。".to_owned(),
        PeerProblem::NoSecret => {
            "该节点以网络成员身份检测，但缺少网络密钥：请用 --with-secrets 导出，或将 access 改为 guest。".to_owned()
        }
        PeerProblem::UnknownCheck(check) => format!("check 应为 full 或 handshake，而不是“{check}”。"),
        PeerProblem::ZeroTimeout => "timeout_ms 不能为 0。".to_owned(),
        PeerProblem::NoAddress => "缺少 url、host 或 public_ip。".to_owned(),
        PeerProblem::EmptyAddress => "地址为空；有些列表会隐藏部分节点的地址。".to_owned(),
        PeerProblem::NoId => "缺少 id。".to_owned(),
        PeerProblem::NoPort => "缺少 port。".to_owned(),
        PeerProblem::Url(error) => Language::Chinese.url(error).to_owned(),
        // Also problems of a newer library.
        _ => "节点无效。".to_owned(),
    }
}

fn chinese_json(JsonMistake { line, column, kind, .. }: &JsonMistake) -> String {
    let place = match column {
        0 => format!("第 {line} 行"),
        column => format!("第 {line} 行第 {column} 列"),
    };
    let what = match kind {
        JsonMistakeKind::Incomplete => return format!("内容在{place}中断，并不完整。"),
        JsonMistakeKind::TrailingComma => "多了一个逗号",
        JsonMistakeKind::NoComma => "缺少逗号，或括号没有闭合",
        JsonMistakeKind::NoColon => "缺少冒号",
        JsonMistakeKind::NoValue => "缺少值；文本须加双引号",
        JsonMistakeKind::Key => "字段名须加双引号",
        JsonMistakeKind::Text => "文本中有控制字符或无效的转义",
        JsonMistakeKind::Number => "数字无效",
        JsonMistakeKind::Trailing => "结尾之后还有多余内容",
        JsonMistakeKind::TooDeep => "嵌套过深",
        JsonMistakeKind::Other => "语法有误",
    };
    format!("{place}{what}。")
}

fn chinese_toml(TomlMistake { line, is_duplicate, .. }: &TomlMistake) -> String {
    let place = line.map(|line| format!("第 {line} 行")).unwrap_or_default();
    let what = if *is_duplicate { "的键重复" } else { "语法有误" };
    format!("{place}{what}。")
}

fn chinese_type(expected: Expected) -> String {
    match expected {
        Expected::Text => "文本".to_owned(),
        Expected::Texts => "文本数组".to_owned(),
        Expected::Boolean => " true 或 false".to_owned(),
        Expected::Whole => "整数".to_owned(),
        Expected::UpTo(max) => format!(" 0 到 {max} 的整数"),
        Expected::Access => " guest 或 member".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer_file::parse;

    /// Why a list is refused, in both languages.
    fn refused(text: &str) -> [String; 2] {
        let problem = parse(text).expect_err(text);
        [Language::English, Language::Chinese].map(|language| language.list_problem(&problem))
    }

    #[test]
    fn a_mistake_in_json_is_told_with_its_place_in_both_languages() {
        let deep = "[".repeat(200);
        for (text, english, chinese) in [
            (
                "[\n{\"url\": \"tcp://h:1\"}",
                "EOF while parsing a list at line 2 column 20",
                "内容在第 2 行第 20 列中断，并不完整。",
            ),
            ("[\"a\",]", "trailing comma at line 1 column 6", "第 1 行第 6 列多了一个逗号。"),
            (
                "[{\"a\": 1 \"b\": 2}]",
                "expected `,` or `}` at line 1 column 10",
                "第 1 行第 10 列缺少逗号，或括号没有闭合。",
            ),
            ("[\"a\" \"b\"]", "expected `,` or `]` at line 1 column 6", "第 1 行第 6 列缺少逗号，或括号没有闭合。"),
            ("{\"peers\" []}", "expected `:` at line 1 column 10", "第 1 行第 10 列缺少冒号。"),
            ("[hello]", "expected value at line 1 column 2", "第 1 行第 2 列缺少值；文本须加双引号。"),
            ("{peers: []}", "key must be a string at line 1 column 2", "第 1 行第 2 列字段名须加双引号。"),
            ("[\"a\\q\"]", "invalid escape at line 1 column 5", "第 1 行第 5 列文本中有控制字符或无效的转义。"),
            (
                "[\"a\nb\"]",
                "control character (\\u0000-\\u001F) found while parsing a string at line 2 column 0",
                "第 2 行文本中有控制字符或无效的转义。",
            ),
            ("[01]", "invalid number at line 1 column 3", "第 1 行第 3 列数字无效。"),
            ("[] []", "trailing characters at line 1 column 4", "第 1 行第 4 列结尾之后还有多余内容。"),
            (&deep, "recursion limit exceeded at line 1 column 128", "第 1 行第 128 列嵌套过深。"),
        ] {
            let expected = [format!("The list is not JSON: {english}"), format!("不是有效的 JSON：{chinese}")];
            assert_eq!(refused(text), expected, "{text}");
        }
    }

    #[test]
    fn a_mistake_in_toml_is_told_with_its_line_in_both_languages_and_quotes_no_secret() {
        let [english, chinese] = refused("[[peers]]\nnetwork_secret = s3cr3t");
        assert!(english.starts_with("The list is not TOML: line 2: ") && !english.contains("s3cr3t"), "{english}");
        assert_eq!(chinese, "不是有效的 TOML：第 2 行语法有误。");
        let [english, chinese] = refused("[[peers]]\nurl = \"a\"\nurl = \"b\"");
        assert!(english.starts_with("The list is not TOML: line 3: duplicate key"), "{english}");
        assert_eq!(chinese, "不是有效的 TOML：第 3 行的键重复。");
    }

    #[test]
    fn a_value_of_the_wrong_type_is_told_with_its_field_in_both_languages() {
        let problems = |text: &str, language: Language| -> Vec<String> {
            let listed = parse(text).unwrap().into_iter();
            let of = |(place, peer): (Place, Result<_, Vec<Problem>>)| {
                let problems = peer.err().unwrap_or_default();
                problems.iter().map(|problem| language.import_problem(&place, problem)).collect::<Vec<_>>()
            };
            listed.flat_map(of).collect()
        };
        let json =
            r#"[5, {"name": "one", "port": 70000, "tags": {}}, {"allow_relay": 2, "access": "all", "mail": true}]"#;
        let csv = "url,port,access\ntcp://h:1,70000,all";
        assert_eq!(
            problems(json, Language::Chinese),
            [
                "第 1 个节点：应为节点的 URL，或含有节点字段的对象。",
                "第 2 个节点（one）：port 应为 0 到 65535 的整数。",
                "第 2 个节点（one）：tags 应为文本数组。",
                "第 3 个节点：access 应为 guest 或 member。",
                "第 3 个节点：allow_relay 应为 true 或 false。",
                "第 3 个节点：mail 应为文本。",
            ]
        );
        assert_eq!(
            problems(json, Language::English)[..2],
            [
                "peer 1: not a peer: expected a URL, or an object with the fields of a peer",
                "peer 2 ('one'): its 'port' must be a whole number from 0 to 65535",
            ]
        );
        assert_eq!(
            problems(csv, Language::Chinese),
            [
                "第 2 行（tcp://h:1）：access 应为 guest 或 member。",
                "第 2 行（tcp://h:1）：port 应为 0 到 65535 的整数。"
            ]
        );
    }
}
