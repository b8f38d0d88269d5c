//! The kinds of channels.

use super::{
    field::Field,
    guarantee::Guarantee,
    kinds::{
        ALERTMANAGER, BARK, DINGTALK, DISCORD, FEISHU, MAIL, MATRIX, NTFY, PAGERDUTY, SERVERCHAN, SLACK, Spec,
        TELEGRAM, WEBHOOK, WECOM,
    },
};

/// A kind of channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChannelKind {
    /// Any web server.
    Webhook,
    /// Mail, by an SMTP server.
    Mail,
    /// A bot of Telegram.
    Telegram,
    /// A webhook of Discord.
    Discord,
    /// An incoming webhook of Slack.
    Slack,
    /// A room of Matrix.
    Matrix,
    /// A topic of ntfy.
    Ntfy,
    /// An iPhone with Bark.
    Bark,
    /// ServerChan (Server酱).
    ServerChan,
    /// A robot of DingTalk (钉钉).
    DingTalk,
    /// A robot of WeCom (企业微信).
    WeCom,
    /// A robot of Feishu (飞书) or Lark.
    Feishu,
    /// Prometheus Alertmanager.
    Alertmanager,
    /// A service of PagerDuty.
    PagerDuty,
}

impl ChannelKind {
    /// All kinds.
    pub const ALL: [Self; 14] = [
        Self::Webhook,
        Self::Mail,
        Self::Telegram,
        Self::Discord,
        Self::Slack,
        Self::Matrix,
        Self::Ntfy,
        Self::Bark,
        Self::ServerChan,
        Self::DingTalk,
        Self::WeCom,
        Self::Feishu,
        Self::Alertmanager,
        Self::PagerDuty,
    ];

    pub(super) fn spec(self) -> &'static Spec {
        match self {
            Self::Webhook => &WEBHOOK,
            Self::Mail => &MAIL,
            Self::Telegram => &TELEGRAM,
            Self::Discord => &DISCORD,
            Self::Slack => &SLACK,
            Self::Matrix => &MATRIX,
            Self::Ntfy => &NTFY,
            Self::Bark => &BARK,
            Self::ServerChan => &SERVERCHAN,
            Self::DingTalk => &DINGTALK,
            Self::WeCom => &WECOM,
            Self::Feishu => &FEISHU,
            Self::Alertmanager => &ALERTMANAGER,
            Self::PagerDuty => &PAGERDUTY,
        }
    }

    /// Its name in commands and in the database, such as `dingtalk`.
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// Where its messages go, in a few words of English.
    pub fn about(self) -> &'static str {
        self.spec().about
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The settings of its channels.
    pub fn fields(self) -> &'static [Field] {
        self.spec().fields
    }

    /// Whether the service keeps what was told open until it is told that it is over.
    pub fn keeps_open(self) -> bool {
        matches!(self, Self::Alertmanager | Self::PagerDuty)
    }

    /// What is done when it is not known whether a message arrived.
    pub fn guarantee(self) -> Guarantee {
        self.spec().guarantee
    }
}
