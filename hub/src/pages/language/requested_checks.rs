//! The texts about checks that somebody asks for.

use super::Language;

texts! {
    /// The fixed texts about requested checks in one language.
    RequestedCheckTexts:

    title: "Check now", "立即检测";
    check: "Check now", "立即检测";
    check_hint: "Save your changes first: the node is checked as it is stored.", "请先保存修改，检测使用已保存的设置。";
    again: "Check again", "再次检测";
    running: "Probes are checking. This page loads again by itself.", "探针正在检测，本页会自动刷新。";
    done: "Each region was asked once. These results do not count for the status of the node.", "各地区各检测一次，结果不计入节点状态。";
    no_probe: "No probe is available now. Probes ask for such checks once a minute at least.", "当前没有可用的探针。";
    waiting: "waiting", "等待中";
    unavailable: "no answer", "无响应";
}

impl Language {
    pub fn requested_checks(self) -> &'static RequestedCheckTexts {
        self.pick(&ENGLISH, &CHINESE)
    }
}
