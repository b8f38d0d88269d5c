//! The texts about incidents.

use easytier_uptime_alerts::Cause;
use easytier_uptime_store::domain::Incident;

use super::Language;
use crate::service::incidents::{Detail, IncidentState, RegionSight, cause, state};

texts! {
    /// The fixed texts about incidents in one language.
    IncidentTexts:

    title: "Incidents", "故障";
    incident: "Incident", "故障";
    intro: "What went wrong together is one incident. It is closed when all its nodes have been online for ten minutes.",
        "同一原因引起的异常归为一次故障，所有节点恢复在线满十分钟后自动结束。";
    none: "No incidents yet.", "还没有发生过故障。";
    none_of_node: "This node had no incident.", "此节点没有发生过故障。";
    open: "Open", "进行中";
    recovering: "Recovering", "恢复中";
    closed: "Closed", "已结束";
    began: "Began", "开始";
    lasted: "Duration", "时长";
    nodes: "Nodes", "节点";
    timeline: "Timeline", "时间线";
    show: "Show", "查看";
    all: "All incidents", "全部故障";
    feed_of_node: "Feed of this node", "订阅此节点";
    opened: "The incident began", "故障开始";
    joined: "More nodes are affected", "更多节点受影响";
    acknowledged: "Acknowledged: somebody takes care of it", "已确认，正在处理";
    posted: "Note by the operator", "管理员说明";
    was_closed: "Closed: all has been well for ten minutes", "已结束：恢复正常满十分钟";
    ended: "Closed by the operator", "管理员结束了此次故障";
    post: "Post", "发布";
    post_hint: "Visitors read it in the timeline, within seconds. A visitor who reads the other language sees the text that there is.",
        "几秒内显示在时间线上；另一种语言没有填写时，访客看到的是已填写的文字。";
    was_posted: "Posted", "已发布";
    name: "Name", "名称";
    name_hint: "Empty: the usual name.", "留空则使用默认名称。";
    close: "Close this incident", "结束此次故障";
    close_hint: "Nodes that stay as they are open no other incident.", "状态不再变化的节点不会产生新的故障记录。";
}

impl Language {
    pub fn incidents(self) -> &'static IncidentTexts {
        self.pick(&ENGLISH, &CHINESE)
    }

    /// One of two texts of the operator, of which one may be missing, and the language that it is in: that of the reader, if there is
    /// a text.
    pub fn either<'a>(self, english: Option<&'a str>, chinese: Option<&'a str>) -> Option<(&'a str, Self)> {
        let english = english.map(|text| (text, Self::English));
        let chinese = chinese.map(|text| (text, Self::Chinese));
        self.pick(english.or(chinese), chinese.or(english))
    }

    /// What an incident is called: the operator's name, or one that says what is affected. With the language of the operator's name,
    /// if it is another one.
    pub fn incident_name(self, incident: &Incident) -> (String, Option<Self>) {
        match self.either(incident.english.as_deref(), incident.chinese.as_deref()) {
            Some((name, language)) => (name.to_owned(), Some(language).filter(|language| *language != self)),
            None => (self.usual_name(incident), None),
        }
    }

    fn usual_name(self, incident: &Incident) -> String {
        if let ([node], 1) = (incident.nodes.as_slice(), incident.node_count) {
            return node.name.clone();
        }
        let count = incident.node_count;
        match cause(incident) {
            Some(Cause::Host(host)) => {
                self.pick(format!("{count} nodes at {host}"), format!("{host} 上的 {count} 个节点"))
            }
            Some(Cause::Network(network)) => {
                self.pick(format!("{count} nodes in {network}"), format!("{network} 网段的 {count} 个节点"))
            }
            Some(Cause::Region(region)) => {
                self.pick(format!("{count} nodes as seen from {region}"), format!("从 {region} 看到的 {count} 个节点"))
            }
            Some(Cause::Checker(probe)) => {
                self.pick(format!("{count} nodes that {probe} checks"), format!("由 {probe} 检测的 {count} 个节点"))
            }
            Some(Cause::Probe { region, .. }) => self.pick(
                format!("{count} nodes without a probe in {region}"),
                format!("{region} 探针失联影响的 {count} 个节点"),
            ),
            None => self.pick(format!("{count} nodes"), format!("{count} 个节点")),
        }
    }

    /// How far an incident is.
    pub fn incident_state(self, incident: &Incident) -> &'static str {
        let texts = self.incidents();
        match state(incident) {
            IncidentState::Open => texts.open,
            IncidentState::Recovering => texts.recovering,
            IncidentState::Closed => texts.closed,
        }
    }

    /// How many incidents are open.
    pub fn open_incidents(self, count: u64) -> String {
        match count {
            1 => self.pick("One incident is open.".to_owned(), "有 1 起故障正在进行。".to_owned()),
            _ => self.pick(format!("{count} incidents are open."), format!("有 {count} 起故障正在进行。")),
        }
    }

    /// What an entry of a timeline says happened.
    pub fn entry(self, kind: &str, detail: &Detail) -> String {
        let texts = self.incidents();
        let text = match kind {
            "opened" => texts.opened,
            "joined" => texts.joined,
            "acknowledged" => texts.acknowledged,
            "posted" => texts.posted,
            "closed" => texts.was_closed,
            "ended" => texts.ended,
            _ => {
                let became = self.state(detail.verdict.as_deref().unwrap_or_default());
                return self.pick(format!("Now: {}", became.to_lowercase()), format!("变为{became}"));
            }
        };
        text.to_owned()
    }

    /// What a region saw of the nodes of an entry.
    pub fn region_sight(self, sight: &RegionSight) -> String {
        let RegionSight { region, online, offline, stage, code } = sight;
        let stage = easytier_probe::Stage::ALL.into_iter().find(|one| Some(one.as_str()) == stage.as_deref());
        let code = easytier_probe::FailureCode::ALL.iter().find(|one| Some(one.as_str()) == code.as_deref());
        let seen = match (online, offline) {
            (0, 1) => self.pick("sees it offline".to_owned(), "看到离线".to_owned()),
            (1, 0) => self.pick("sees it online".to_owned(), "看到在线".to_owned()),
            (0, _) => self.pick(format!("sees {offline} offline"), format!("看到 {offline} 个离线")),
            (_, 0) => self.pick(format!("sees {online} online"), format!("看到 {online} 个在线")),
            _ => self.pick(
                format!("sees {offline} offline and {online} online"),
                format!("看到 {offline} 个离线、{online} 个在线"),
            ),
        };
        let reason = match (stage, code) {
            (Some(stage), Some(code)) => {
                let (stage, code) = (self.stage(stage), self.failure(*code));
                self.pick(format!(": {code} ({stage})"), format!("：{code}（{stage}）"))
            }
            (None, Some(code)) => self.labelled("", self.failure(*code)),
            _ => String::new(),
        };
        format!("{region} {seen}{reason}")
    }

    /// How many changes the timeline leaves out.
    pub fn changes_left_out(self, count: u64) -> String {
        self.pick(format!("{count} more changes are not listed."), format!("另有 {count} 次变化未列出。"))
    }
}
