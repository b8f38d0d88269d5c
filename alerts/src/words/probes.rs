//! What is said about probes and about the hub itself.

use super::Writer;

impl Writer {
    /// The title of a message about probes that do not report. `region`: the region of all of them.
    pub(crate) fn probes_silent(self, count: usize, name: &str, region: Option<&str>) -> String {
        let (name, region) = (self.name(name), region.map(|region| self.name(region)));
        match (count, region) {
            (1, Some(region)) => self.pick(
                format!("The probe {name} in {region} does not report"),
                format!("地区 {region} 的探针 {name} 没有上报"),
            ),
            (1, None) => self.pick(format!("The probe {name} does not report"), format!("探针 {name} 没有上报")),
            (_, Some(region)) => self.pick(
                format!("{count} probes in {region} do not report"),
                format!("地区 {region} 的 {count} 个探针没有上报"),
            ),
            (_, None) => self.pick(format!("{count} probes do not report"), format!("{count} 个探针没有上报")),
        }
    }

    /// The title of a message about probes that report again.
    pub(crate) fn probes_back(self, count: usize, name: &str) -> String {
        let name = self.name(name);
        match count {
            1 => self.pick(format!("The probe {name} reports again"), format!("探针 {name} 恢复上报")),
            _ => self.pick(format!("{count} probes report again"), format!("{count} 个探针恢复上报")),
        }
    }

    /// The title of a message about probes that come and go.
    pub(crate) fn probes_come_and_go(self, count: usize, name: &str) -> String {
        let name = self.name(name);
        match count {
            1 => self.pick(format!("The probe {name} comes and goes"), format!("探针 {name} 时断时续")),
            _ => self.pick(format!("{count} probes come and go"), format!("{count} 个探针时断时续")),
        }
    }

    /// The title of a message about the hub, which knows nothing current about most nodes.
    pub(crate) fn hub_blind(self) -> String {
        self.pick(
            "This monitor has no current results: it or its probes may be cut off".to_owned(),
            "监控没有最新结果：中心或探针可能已断网".to_owned(),
        )
    }

    /// What the message about the hub says below its title.
    pub(crate) fn hub_blind_line(self) -> String {
        self.pick(
            "Nothing is told about single nodes until results arrive again.".to_owned(),
            "恢复上报之前不再通知单个节点的情况。".to_owned(),
        )
    }

    /// The title of the message after it.
    pub(crate) fn hub_sees(self) -> String {
        self.pick("This monitor has current results again".to_owned(), "监控已恢复获取结果".to_owned())
    }

    /// One probe of several.
    pub(crate) fn probe_line(self, name: &str, region: &str, since: i64) -> String {
        let (name, region, time) = (self.name(name), self.name(region), self.time(since));
        self.pick(format!("{name} ({region}) since {time}"), format!("{name}（{region}），自 {time} 起"))
    }
}
