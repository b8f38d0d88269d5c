//! The texts about modes of checking.

use super::Language;

texts! {
    /// The fixed texts about modes of checking in one language.
    ModeTexts:

    title: "Ways of checking", "检测方式";
    direct: "by the probe of this service", "本服务自带的探针";
    remote: "by the probes of the regions", "各地区的探针";
    relay: "data between two guests", "在两个访客之间转发数据";
    reverse: "on request, within an hour", "一小时内的按需检测";
    no_direct: "This service has no probe that checks the node.", "本服务没有检测此节点的探针。";
    no_remote: "No other probe has checked the node.", "没有其他探针检测过此节点。";
    no_relay: "Not tested.", "尚未测试。";
    no_reverse: "Nobody asked for a check.", "没有人请求过检测。";
}

impl Language {
    pub fn modes(self) -> &'static ModeTexts {
        self.pick(&ENGLISH, &CHINESE)
    }
}
