//! What is said about nodes.

use super::{Standing, Writer};
use crate::cause::Cause;

impl Writer {
    /// The title of a message about one node that is wrong.
    pub(crate) fn one_wrong(self, name: &str, standing: Standing) -> String {
        let name = self.name(name);
        match standing {
            Standing::Down => self.pick(format!("{name} is down"), format!("{name} 离线")),
            Standing::Partial => {
                self.pick(format!("{name} is reachable from some regions only"), format!("{name} 仅部分地区可达"))
            }
            Standing::Unknown => self.pick(format!("{name} has no current result"), format!("{name} 没有最新结果")),
            Standing::Up => self.one_well(&name),
        }
    }

    /// The title of a message about several nodes that are wrong.
    pub(crate) fn several_wrong(self, count: usize, worst: Standing, is_mixed: bool, common: Option<&Cause>) -> String {
        let place = self.common(common);
        let (english, chinese) = match (worst, is_mixed) {
            (_, true) => ("are down or not reachable from everywhere", "离线或部分地区不可达"),
            (Standing::Partial, _) => ("are reachable from some regions only", "仅部分地区可达"),
            (Standing::Unknown, _) => ("have no current result", "没有最新结果"),
            _ => ("are down", "离线"),
        };
        self.pick(format!("{count} nodes{place} {english}"), format!("{place}{count} 个节点{chinese}"))
    }

    /// The title of a message about one node that is up again.
    pub(crate) fn one_well(self, name: &str) -> String {
        let name = self.name(name);
        self.pick(format!("{name} is up again"), format!("{name} 已恢复"))
    }

    /// The title of a message about several nodes that are up again.
    pub(crate) fn several_well(self, count: usize, common: Option<&Cause>) -> String {
        let place = self.common(common);
        self.pick(format!("{count} nodes{place} are up again"), format!("{place}{count} 个节点已恢复"))
    }

    /// The title of a reminder.
    pub(crate) fn still_wrong(self, count: usize, name: &str) -> String {
        let name = self.name(name);
        match count {
            1 => self.pick(format!("{name} is still not up"), format!("{name} 仍未恢复")),
            _ => self.pick(format!("{count} nodes are still not up"), format!("{count} 个节点仍未恢复")),
        }
    }

    /// The title of a message about nodes that go up and down.
    pub(crate) fn flapping(self, count: usize, name: &str, changes: usize) -> String {
        let name = self.name(name);
        match count {
            1 => self.pick(
                format!("{name} is flapping: {changes} changes within an hour"),
                format!("{name} 反复上下线：一小时内变化 {changes} 次"),
            ),
            _ => self.pick(format!("{count} nodes are flapping"), format!("{count} 个节点反复上下线")),
        }
    }

    /// What a message says below the title of one that is flapping.
    pub(crate) fn quiet_while_flapping(self) -> String {
        self.pick(
            "Nothing more is told about it until it has been stable for half an hour.".to_owned(),
            "稳定半小时之前不再通知。".to_owned(),
        )
    }

    /// What is said about one of several nodes.
    pub(crate) fn state(self, standing: Standing, since: i64, is_steady: bool) -> String {
        let time = self.time(since);
        let state = match standing {
            Standing::Down => self.pick("down", "离线"),
            Standing::Partial => self.pick("reachable from some regions only", "仅部分地区可达"),
            Standing::Unknown => self.pick("no current result", "没有最新结果"),
            Standing::Up => self.pick("up", "在线"),
        };
        let steady = if is_steady { self.pick(", no longer flapping", "，不再反复变化") } else { "" };
        self.pick(format!("{state} since {time}{steady}"), format!("自 {time} 起{state}{steady}"))
    }

    /// What is said about one node that flaps.
    pub(crate) fn changes(self, changes: usize) -> String {
        self.pick(format!("{changes} changes within an hour"), format!("一小时内变化 {changes} 次"))
    }

    /// The first line below the title of an outage.
    pub(crate) fn since(self, at: i64) -> String {
        let time = self.time(at);
        self.pick(format!("Since {time}."), format!("开始时间：{time}。"))
    }

    /// The first line below the title of a recovery of one node.
    pub(crate) fn lasted(self, millis: i64) -> String {
        let length = self.length(millis);
        self.pick(format!("It was not up for {length}."), format!("持续了 {length}。"))
    }

    /// The last line of a message that does not list all its nodes.
    pub(crate) fn more(self, count: usize) -> String {
        self.pick(format!("… and {count} more"), format!("……另有 {count} 个"))
    }

    /// What most nodes of a message have in common.
    pub(crate) fn mostly(self, count: usize, common: &Cause) -> String {
        let place = self.common(Some(common));
        self.pick(format!("{count} of them are nodes{place}."), format!("其中有{place}{count} 个节点。"))
    }

    fn common(self, common: Option<&Cause>) -> String {
        match common {
            None => String::new(),
            Some(Cause::Host(host)) => self.pick(format!(" at {host}"), format!("{host} 上的 ")),
            Some(Cause::Network(network)) => self.pick(format!(" in {network}"), format!("{network} 内的 ")),
            Some(Cause::Region(region)) => {
                let region = self.name(region);
                self.pick(format!(" of the region {region}"), format!("地区 {region} 的 "))
            }
            Some(Cause::Checker(probe)) => {
                let probe = self.name(probe);
                self.pick(format!(" that only the probe {probe} checks"), format!("仅由探针 {probe} 检测的 "))
            }
            Some(Cause::Probe { region, .. }) => {
                let region = self.name(region);
                self.pick(format!(" checked by a probe in {region}"), format!("由 {region} 的探针检测的 "))
            }
        }
    }
}
