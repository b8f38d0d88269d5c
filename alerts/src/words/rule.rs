//! What a rule does.

use crate::{Change, Language, Nodes, Rule};

use super::length;

impl Rule {
    /// What the rule does, in a few sentences.
    pub fn in_words(&self, language: Language) -> String {
        let mut sentences = Vec::new();
        let verdicts: Vec<&str> = [
            (Change::Down, language.pick("down", "离线")),
            (Change::Partial, language.pick("reachable from some regions only", "仅部分地区可达")),
            (
                Change::Unknown,
                language.pick("without a current result although probes run", "在探针正常时没有最新结果"),
            ),
        ]
        .into_iter()
        .filter_map(|(change, words)| self.tells(change).then_some(words))
        .collect();
        if !verdicts.is_empty() {
            let (nodes, states) = (nodes(&self.nodes, language), verdicts.join(language.pick(" or ", "或")));
            sentences.push(match self.after_seconds {
                0 => language.pick(
                    format!("Notifies at once when {nodes} is {states}."),
                    format!("{nodes}{states}时，立即通知。"),
                ),
                seconds => {
                    let length = length(language, i64::from(seconds) * 1000);
                    language.pick(
                        format!("Notifies when {nodes} has been {states} for {length}."),
                        format!("{nodes}{states}时，持续 {length}后通知。"),
                    )
                }
            });
            sentences.push(language.pick(
                "A flapping node is reported once, until it has been stable for half an hour.".to_owned(),
                "反复上下线的节点只通知一次，直到稳定半小时。".to_owned(),
            ));
        }
        if self.tells(Change::Probe) {
            let regions = names(self.nodes.regions.iter());
            sentences.push(match regions.is_empty() {
                true => language
                    .pick("Notifies when a probe stops reporting.".to_owned(), "探针停止上报时通知。".to_owned()),
                false => language.pick(
                    format!("Notifies when a probe in {regions} stops reporting."),
                    format!("地区 {regions} 的探针停止上报时通知。"),
                ),
            });
        }
        sentences.extend(self.levels_in_words(language));
        if self.tells(Change::Up) {
            sentences.push(language.pick(
                "A recovery is reported when it has lasted for three checks.".to_owned(),
                "通知过的问题恢复并稳定三次检测后，会再次通知。".to_owned(),
            ));
        }
        if let Some(every) = self.reminder_seconds {
            let length = length(language, i64::from(every) * 1000);
            sentences.push(language.pick(
                format!("Reminds every {length} until somebody acknowledges it."),
                format!("确认之前每 {length} 提醒一次。"),
            ));
        }
        if let Some(quiet) = &self.quiet {
            let (hours, zone) = (quiet.hours(), quiet.zone_name());
            sentences.push(language.pick(
                format!("Sends nothing from {hours} ({zone}); what is still wrong then is reported at the end."),
                format!("{hours}（{zone}）期间不通知，结束时仍存在的问题再通知。"),
            ));
        }
        sentences.join(language.pick(" ", ""))
    }

    /// What it tells of what is looked at now and then.
    fn levels_in_words(&self, language: Language) -> Vec<String> {
        let (mut sentences, nodes) = (Vec::new(), nodes(&self.nodes, language));
        if self.tells(Change::Certificate) {
            let days = self.certificate_days;
            sentences.push(language.pick(
                format!("Notifies when the certificate of {nodes} expires within {days} days."),
                format!("{nodes}的证书在 {days} 天内过期时通知。"),
            ));
        }
        if let Some(below) = self.version_below.filter(|_| self.tells(Change::Version)) {
            sentences.push(language.pick(
                format!("Notifies when {nodes} runs a version of EasyTier before {below}."),
                format!("{nodes}的 EasyTier 版本低于 {below} 时通知。"),
            ));
        }
        if self.tells(Change::Relay) {
            sentences.push(language.pick(
                format!("Tells that {nodes} is declared to relay, and does not by the last two tests."),
                format!("{nodes}声明提供中继，但最近两次实测均不可用时通知。"),
            ));
        }
        if self.tells(Change::Duty) {
            sentences.push(language.pick(
                "Notifies when no hub runs one of its background tasks.".to_owned(),
                "某项任务没有任何中心执行时通知。".to_owned(),
            ));
        }
        sentences
    }
}

fn nodes(nodes: &Nodes, language: Language) -> String {
    if nodes.is_all() {
        return language.pick("a node".to_owned(), "任一节点".to_owned());
    }
    let ids = names(nodes.ids.iter());
    let (tags, regions) = (names(nodes.tags.iter()), names(nodes.regions.iter()));
    let parts = [
        (ids, language.pick("with the id ", "编号 ")),
        (tags, language.pick("with the tag ", "标签 ")),
        (regions, language.pick("checked from ", "检测地区 ")),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(names, _)| !names.is_empty()).map(|(names, before)| format!("{before}{names}")).collect();
    match language {
        Language::English => format!("a node {}", parts.join(" or ")),
        Language::Chinese => format!("{} 的节点", parts.join(" 或")),
    }
}

fn names(names: impl Iterator<Item = impl ToString>) -> String {
    names.map(|name| name.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::QuietHours;

    #[test]
    fn a_rule_says_what_it_does() {
        let usual = Rule::new(Uuid::from_u128(1));
        assert_eq!(
            usual.in_words(Language::English),
            "Notifies at once when a node is down. A flapping node is reported once, until it has been stable for half \
             an hour. A recovery is reported when it has lasted for three checks."
        );
        let full = Rule {
            nodes: Nodes { tags: ["fast".into()].into(), regions: ["eu".into()].into(), ..Nodes::default() },
            on: [Change::Down, Change::Partial, Change::Probe].into(),
            after_seconds: 300,
            reminder_seconds: Some(21_600),
            quiet: Some(QuietHours::new("22:00-07:00", "Asia/Shanghai").unwrap()),
            ..usual
        };
        assert_eq!(
            full.in_words(Language::English),
            "Notifies when a node with the tag fast or checked from eu has been down or reachable from some regions only for \
             5 min. A flapping node is reported once, until it has been stable for half an hour. Notifies when a probe in eu \
             stops reporting. Reminds every 6 h until somebody acknowledges it. Sends nothing from 22:00-07:00 \
             (Asia/Shanghai); what is still wrong then is reported at the end."
        );
        assert!(
            full.in_words(Language::Chinese)
                .starts_with("标签 fast 或检测地区 eu 的节点离线或仅部分地区可达时，持续 5 分钟后通知。")
        );
    }
}
