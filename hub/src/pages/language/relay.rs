//! Whether a node relays data between its guests: what its owner declares, and what tests found.

use easytier_probe::Relay;

use super::Language;

impl Language {
    /// What the owner declares.
    pub fn relay_declared(self, is_declared: bool) -> &'static str {
        match is_declared {
            true => self.pick("Declared by the owner", "节点提供者声明提供"),
            false => self.pick("Not declared by the owner", "节点提供者未声明提供"),
        }
    }

    /// What tests found.
    pub fn relay_measured(self, verdict: Option<Relay>) -> &'static str {
        match verdict {
            None => self.pick("not tested", "尚未实测"),
            Some(Relay::Ok) => self.pick("tested: relays data", "实测可转发数据"),
            Some(Relay::Refused) => self.pick("tested: does not relay data", "实测不转发数据"),
            Some(Relay::Failed) => self.pick("the last test failed", "最近一次实测未成功"),
        }
    }

    /// What tests found, as a state of the node.
    pub fn relay_state(self, verdict: Relay) -> &'static str {
        match verdict {
            Relay::Ok => self.pick("Relays data", "中继可用"),
            Relay::Refused => self.pick("Does not relay data", "不提供中继"),
            Relay::Failed => self.pick("Relay test failed", "中继测试失败"),
        }
    }

    /// The badge of a node in the list; none where there is nothing to say.
    pub fn relay_badge(self, is_declared: bool, verdict: Option<Relay>) -> Option<&'static str> {
        match (is_declared, verdict) {
            (_, Some(Relay::Ok)) | (true, None) => Some(self.texts().relay),
            (true, Some(Relay::Refused | Relay::Failed)) => Some(self.pick("Relay not working", "中继不可用")),
            (false, _) => None,
        }
    }
}
