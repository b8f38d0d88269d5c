//! The texts about managed probes.

use easytier_uptime_store::domain::{ManageProblem, ProbePath, PullState, PushState};

use super::Language;

texts! {
    /// The fixed texts about managed probes in one language.
    ManagedTexts:

    title: "Managed probes", "受管理的探针";
    hint: "This hub pushes its configuration to these probes as soon as it changes, and asks them for statistics every ten seconds. A probe \
           takes part when CONTROL_TOKEN is set there.",
        "配置一有改动，本站即推送给这些探针，并每十秒向其获取一次统计。探针一侧需设置 CONTROL_TOKEN。";
    probe: "Probe", "探针";
    path: "Reached", "连接方式";
    configuration: "Configuration", "配置";
    statistics: "Statistics", "统计";
    usage: "Traffic of checks", "检测流量";
    new: "Add a probe", "添加探针";
    host_hint: "A host name, an IP address or https://NAME. Empty: a probe that is connected to this hub is reached over that connection.",
        "主机名、IP 地址或 https://名称。留空则通过探针自身与本站的连接管理。";
    token: "CONTROL_TOKEN", "CONTROL_TOKEN";
    token_hint: "The same as in the configuration of the probe. It is not shown again.", "与探针配置中的一致，之后不再显示。";
    server_id: "server_id", "server_id";
    server_id_hint: "Empty: what the probe says of itself.", "留空则采用探针自报的名称。";
    settings: "Settings of the probe", "探针设置";
    add: "Add", "添加";
    added: "The probe is added. Its configuration is being pushed.", "探针已添加，正在推送配置。";
    pushed: "The configuration is being pushed. Load this page again in a moment.", "正在推送配置，请稍后刷新本页。";
    removed: "The probe is not managed any more.", "已停止管理该探针。";
    push: "Push now", "立即推送";
    remove: "Stop managing", "停止管理";
    remove_title: "Stop managing this probe?", "停止管理此探针？";
    remove_hint: "It stays registered and keeps what it holds; no configuration is pushed to it.", "探针仍保持注册并保留现有配置，但不再推送新配置。";
}

impl Language {
    pub fn managed(self) -> &'static ManagedTexts {
        self.pick(&ENGLISH, &CHINESE)
    }

    pub fn probe_path(self, path: ProbePath) -> &'static str {
        match path {
            ProbePath::Direct => self.pick("direct", "直连"),
            ProbePath::Proxy => self.pick("through the proxy", "经代理"),
            ProbePath::Reverse => self.pick("over its own connection", "经探针自身的连接"),
        }
    }

    pub fn push_state(self, state: PushState) -> &'static str {
        match state {
            PushState::Untried => self.pick("not pushed yet", "尚未推送"),
            PushState::Available => self.pick("available", "可送达"),
            PushState::Dirty => self.pick("through the proxy only", "仅经代理可送达"),
            PushState::Unavailable => self.pick("not delivered", "未送达"),
        }
    }

    pub fn pull_state(self, state: PullState) -> &'static str {
        match state {
            PullState::Untried => self.pick("not asked yet", "尚未获取"),
            PullState::Available => self.pick("available", "正常"),
            PullState::Unavailable => self.pick("no answer for a minute", "一分钟以上无应答"),
        }
    }

    /// Why a probe was not reached, or did not do what it was asked for.
    pub fn manage_problem(self, problem: &ManageProblem) -> String {
        match self {
            Self::English => {
                let text = problem.to_string();
                text[..1].to_uppercase() + &text[1..] + "."
            }
            Self::Chinese => match problem {
                ManageProblem::Unreachable { cause } => format!("无法连接：{cause}"),
                ManageProblem::Slow { seconds } => format!("{seconds} 秒内无应答。"),
                ManageProblem::ForbiddenAddress => "该地址为链路本地地址或元数据服务地址，本站不会连接。".to_owned(),
                ManageProblem::WrongToken => "令牌未被接受，请填写该探针的 CONTROL_TOKEN。".to_owned(),
                ManageProblem::Conflict { cause } => {
                    format!(
                        "探针拒绝此配置：{cause}。在探针上运行 easytier-uptime daemon --reset-control 可清除其现有配置。"
                    )
                }
                ManageProblem::Answered { status, cause } => format!("应答状态 {status}：{cause}"),
                ManageProblem::Foreign { cause } => format!("该地址上的服务不是探针：{cause}"),
                ManageProblem::NoConnection => "该探针当前没有与本站的连接。".to_owned(),
                _ => problem.to_string(),
            },
        }
    }
}
