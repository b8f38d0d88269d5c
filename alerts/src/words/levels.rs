//! What is said about certificates, versions, relaying, and work of hubs.

use super::Writer;
use crate::{NodeVersion, duty::Duty};

/// What is wrong with a node that is up.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Level<'a> {
    /// Its certificate expires then, in milliseconds since 1970.
    Certificate(i64),
    /// It runs this version, and the first that is not told is the other one.
    Version(&'a str, Option<NodeVersion>),
    /// Its owner declares that it relays, and it refuses to, or tests failed.
    Relay { refuses: bool },
}

impl Writer {
    /// The title of a message about one node.
    pub(crate) fn one_level(self, name: &str, level: Level<'_>, now: i64) -> String {
        let name = self.name(name);
        match level {
            Level::Certificate(at) => {
                let time = self.time(at);
                match at <= now {
                    true => self.pick(
                        format!("The certificate of {name} has expired on {time}"),
                        format!("{name} 的证书已于 {time} 过期"),
                    ),
                    false => self.pick(
                        format!("The certificate of {name} expires on {time}"),
                        format!("{name} 的证书将于 {time} 过期"),
                    ),
                }
            }
            Level::Version(version, below) => {
                let (version, older) = (self.name(version), self.older(below));
                self.pick(
                    format!("{name} runs EasyTier {version}{older}"),
                    format!("{name} 的 EasyTier 版本为 {version}{older}"),
                )
            }
            Level::Relay { refuses: true } => self.pick(
                format!("{name} is declared to relay, and does not"),
                format!("{name} 声明提供中继，但实测不转发数据"),
            ),
            Level::Relay { refuses: false } => self.pick(
                format!("{name} is declared to relay, and tests of that failed"),
                format!("{name} 声明提供中继，但中继测试未成功"),
            ),
        }
    }

    fn older(self, below: Option<NodeVersion>) -> String {
        let Some(below) = below else { return String::new() };
        self.pick(format!(", which is older than {below}"), format!("，低于 {below}"))
    }

    /// The title of a message about several certificates.
    pub(crate) fn certificates_expire(self, count: usize) -> String {
        self.pick(format!("The certificates of {count} nodes expire soon"), format!("{count} 个节点的证书即将过期"))
    }

    /// The title of a message about several nodes with old versions.
    pub(crate) fn versions_old(self, count: usize, below: Option<NodeVersion>) -> String {
        let below = below.map(|below| below.to_string()).unwrap_or_default();
        self.pick(
            format!("{count} nodes run a version of EasyTier before {below}"),
            format!("{count} 个节点的 EasyTier 版本低于 {below}"),
        )
    }

    /// The title of a message about several nodes that do not relay.
    pub(crate) fn relays_do_not(self, count: usize) -> String {
        self.pick(
            format!("{count} nodes are declared to relay, and do not"),
            format!("{count} 个节点声明提供中继，但实测不可用"),
        )
    }

    /// The title of a message about nodes that do not relay, and are not said to any more, or do.
    pub(crate) fn relays_well(self, count: usize, name: &str) -> String {
        let name = self.name(name);
        match count {
            1 => self.pick(
                format!("The relaying of {name} matches its declaration again"),
                format!("{name} 的中继实测结果已与声明一致"),
            ),
            _ => self.pick(
                format!("The relaying of {count} nodes matches their declarations again"),
                format!("{count} 个节点的中继实测结果已与声明一致"),
            ),
        }
    }

    /// What is said about one node of several.
    pub(crate) fn level(self, level: Level<'_>, now: i64) -> String {
        match level {
            Level::Certificate(at) => {
                let time = self.time(at);
                match at <= now {
                    true => {
                        self.pick(format!("the certificate has expired on {time}"), format!("证书已于 {time} 过期"))
                    }
                    false => self.pick(format!("the certificate expires on {time}"), format!("证书将于 {time} 过期")),
                }
            }
            Level::Version(version, _) => {
                let version = self.name(version);
                self.pick(format!("runs {version}"), format!("版本 {version}"))
            }
            Level::Relay { refuses: true } => self.pick("does not relay".to_owned(), "不转发数据".to_owned()),
            Level::Relay { refuses: false } => {
                self.pick("tests of relaying failed".to_owned(), "中继测试未成功".to_owned())
            }
        }
    }

    /// What is said about one node of several that are well again.
    pub(crate) fn level_well(self) -> String {
        self.pick("well again".to_owned(), "已恢复正常".to_owned())
    }

    /// The title of a message about certificates that do not expire soon any more.
    pub(crate) fn certificates_well(self, count: usize, name: &str) -> String {
        let name = self.name(name);
        match count {
            1 => self.pick(
                format!("The certificate of {name} does not expire soon any more"),
                format!("{name} 的证书不再临近过期"),
            ),
            _ => self.pick(
                format!("The certificates of {count} nodes do not expire soon any more"),
                format!("{count} 个节点的证书不再临近过期"),
            ),
        }
    }

    /// The title of a message about nodes that run no old version any more.
    pub(crate) fn versions_well(self, count: usize, name: &str) -> String {
        let name = self.name(name);
        match count {
            1 => self.pick(format!("{name} does not run an old version any more"), format!("{name} 不再使用旧版本")),
            _ => self.pick(
                format!("{count} nodes do not run an old version any more"),
                format!("{count} 个节点不再使用旧版本"),
            ),
        }
    }

    /// The title of a message about work that no hub does.
    pub(crate) fn duties_idle(self, duties: &[Duty]) -> String {
        let work = self.work(duties);
        self.pick(format!("No hub does this work: {work}"), format!("没有中心在执行：{work}"))
    }

    /// The title of a message about work that a hub does again.
    pub(crate) fn duties_well(self, duties: &[Duty]) -> String {
        let work = self.work(duties);
        self.pick(format!("A hub does this work again: {work}"), format!("已有中心恢复执行：{work}"))
    }

    fn work(self, duties: &[Duty]) -> String {
        let name = |duty: &Duty| match duty {
            Duty::Fold => self.pick("making verdicts of results", "根据检测结果判定状态"),
            Duty::Presence => self.pick("noticing probes that come and go", "检测探针上下线"),
            Duty::Retention => self.pick("deleting what is old", "清理过期数据"),
            Duty::Instance => self.pick("speaking with the other instances", "与其他实例通信"),
        };
        duties.iter().map(name).collect::<Vec<_>>().join(self.pick(", ", "、"))
    }
}
