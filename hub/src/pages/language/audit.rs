//! The texts of the audit log.

use easytier_uptime_store::domain::{ActorKind, AuditKind, AuditObject, AuditVerb, AuthFailure};

use super::Language;

texts! {
    /// The fixed texts of the audit log in one language.
    AuditTexts:

    title: "Audit log", "审计日志";
    hint: "Who changed what, and which sign-ins failed. Failures of one kind from one address within a minute are one row.",
        "记录谁改动了什么，以及哪些身份验证失败。同一来源一分钟内的同类失败合并为一行。";
    none: "No events.", "没有记录。";
    when: "When", "时间";
    what: "What", "内容";
    who: "Who", "操作者";
    from: "From", "来源地址";
    kind: "Kind", "类别";
}

impl Language {
    pub fn audit(self) -> &'static AuditTexts {
        self.pick(&ENGLISH, &CHINESE)
    }

    pub fn audit_kind(self, kind: AuditKind) -> &'static str {
        match kind {
            AuditKind::Failure => self.pick("Failed sign-ins", "验证失败"),
            _ => self.pick("Changes", "改动"),
        }
    }

    pub fn actor_kind(self, kind: ActorKind) -> &'static str {
        match kind {
            ActorKind::Admin => self.pick("Admin, session", "管理员，会话"),
            ActorKind::Key => self.pick("API key", "API 密钥"),
            ActorKind::Probe => self.pick("Probe", "探针"),
            ActorKind::Enrollment => self.pick("Enrollment key", "注册密钥"),
            ActorKind::Instance => self.pick("Instance", "实例"),
            ActorKind::ClusterSecret => self.pick("Who knows SYNC_SECRET", "持有 SYNC_SECRET 者"),
            ActorKind::Link => self.pick("Link of a message, channel", "通知中的链接，渠道"),
            ActorKind::Command => self.pick("Command line, user", "命令行，系统用户"),
            ActorKind::Hub => self.pick("This hub", "本服务"),
            _ => self.pick("Unknown caller", "未知来访者"),
        }
    }

    pub fn audit_object(self, object: AuditObject) -> &'static str {
        match object {
            AuditObject::Peer => self.pick("Node", "节点"),
            AuditObject::Submission => self.pick("Submission", "提交的节点"),
            AuditObject::Source => self.pick("Source", "来源"),
            AuditObject::Channel => self.pick("Channel", "通知渠道"),
            AuditObject::Alert => self.pick("Alert", "告警"),
            AuditObject::Mute => self.pick("Mute", "静音"),
            AuditObject::Message => self.pick("Message", "通知消息"),
            AuditObject::Maintenance => self.pick("Maintenance window", "维护计划"),
            AuditObject::Announcement => self.pick("Announcement", "公告"),
            AuditObject::Incident => self.pick("Incident", "故障"),
            AuditObject::Settings => self.pick("Settings", "设置"),
            AuditObject::NodeToken => self.pick("Node token", "探针令牌"),
            AuditObject::ApiKey => self.pick("API key", "API 密钥"),
            AuditObject::EnrollmentKey => self.pick("Enrollment key", "注册密钥"),
            AuditObject::Probe => self.pick("Probe", "探针"),
            AuditObject::Region => self.pick("Region", "地区"),
            AuditObject::Instance => self.pick("Instance", "实例"),
            AuditObject::Role => self.pick("Role of this instance", "本实例的角色"),
            AuditObject::Configuration => self.pick("Shared configuration", "共享配置"),
            AuditObject::Session => self.pick("Session", "会话"),
            AuditObject::Password => self.pick("Password", "密码"),
            AuditObject::Subscriber => self.pick("Subscriber", "订阅者"),
            AuditObject::Database => self.pick("Database", "数据库"),
            _ => object.as_str(),
        }
    }

    fn audit_verb(self, verb: AuditVerb) -> &'static str {
        match verb {
            AuditVerb::Add => self.pick("added", "新增"),
            AuditVerb::Change => self.pick("changed", "修改"),
            AuditVerb::Remove => self.pick("removed", "删除"),
            AuditVerb::Approve => self.pick("approved", "通过"),
            AuditVerb::Revoke => self.pick("revoked", "吊销"),
            AuditVerb::Start => self.pick("started", "开始"),
            AuditVerb::End => self.pick("ended", "结束"),
            AuditVerb::Repeat => self.pick("asked for again", "重新请求"),
            AuditVerb::Acknowledge => self.pick("acknowledged", "确认"),
            _ => verb.as_str(),
        }
    }

    /// An action such as `peer.add`; one that this program does not know as it is.
    pub fn audit_action(self, action: &str) -> String {
        let known = action.split_once('.');
        let known = known.and_then(|(object, verb)| AuditObject::from_name(object).zip(AuditVerb::from_name(verb)));
        known.map_or_else(
            || action.to_owned(),
            |(object, verb)| {
                let (object, verb) = (self.audit_object(object), self.audit_verb(verb));
                self.pick(format!("{object} {verb}"), format!("{verb}{object}"))
            },
        )
    }

    /// What was wrong; what this program does not know as it is.
    pub fn auth_failure(self, name: &str) -> String {
        let text = match AuthFailure::from_name(name) {
            Some(AuthFailure::Password) => self.pick("Wrong password", "密码错误"),
            Some(AuthFailure::Session) => self.pick("Session unknown or over", "会话不存在或已结束"),
            Some(AuthFailure::Token) => self.pick("Unknown token or key", "令牌或密钥不存在"),
            Some(AuthFailure::Lapsed) => self.pick("Token or key revoked or expired", "令牌或密钥已吊销或过期"),
            Some(AuthFailure::Scope) => self.pick("Key without the scope", "密钥权限不足"),
            Some(AuthFailure::Instance) => self.pick("Wrong secret or token of an instance", "集群密钥或实例令牌错误"),
            Some(AuthFailure::Metrics) => self.pick("Wrong token for the metrics", "指标令牌错误"),
            Some(AuthFailure::Link) => self.pick("Link that is not genuine", "链接无效"),
            _ => name,
        };
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_told_in_both_languages_and_unknown_ones_as_they_are() {
        assert_eq!(Language::English.audit_action("peer.add"), "Node added");
        assert_eq!(Language::Chinese.audit_action("peer.add"), "新增节点");
        assert_eq!(Language::English.audit_action("moon.paint"), "moon.paint");
        assert_eq!(Language::Chinese.auth_failure("password"), "密码错误");
    }
}
