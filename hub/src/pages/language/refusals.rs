//! Refusals in the reader's language: errors of the service, and HTTP statuses.

use axum::http::StatusCode;
use easytier_probe::PeerUrlError;
use easytier_uptime_store::{
    Conflict, StoreError,
    domain::{Lapsed, Leader},
};

use super::Language;
use crate::service::{FieldProblem, Forbidden, ServiceError};

impl Language {
    /// Why the service refused or failed.
    pub fn refusal(self, error: &ServiceError) -> String {
        match error {
            ServiceError::Field(error) => self.labelled(self.field(&error.field), &self.problem(&error.problem)),
            ServiceError::RateLimited { retry_after } => {
                let wait = self.span(*retry_after);
                match self {
                    Self::English => format!("Too many requests. Try again in {wait}."),
                    Self::Chinese => format!("请求过于频繁，请 {wait}后再试。"),
                }
            }
            ServiceError::QueueFull { .. } => self
                .pick(
                    "Too many nodes are waiting for approval. Please submit yours again later.",
                    "待审核的节点过多，请稍后再提交。",
                )
                .to_owned(),
            ServiceError::WrongPassword => self.pick("The password is wrong.", "密码错误。").to_owned(),
            ServiceError::InvalidSettings(_) => self.texts().not_saved.to_owned(),
            ServiceError::Forbidden(forbidden) => self.forbidden(forbidden).to_owned(),
            ServiceError::PasswordHash(_) => self.problem(&FieldProblem::Malformed(String::new())),
            ServiceError::Link(error) => self.link(*error).to_owned(),
            ServiceError::Probe(problem) => self.manage_problem(problem),
            ServiceError::Store(StoreError::NotPrimary(leader)) => self.not_primary(leader),
            ServiceError::Store(error) => self.store(error).to_owned(),
        }
    }

    /// The label of a form's field, by its name.
    pub fn field(self, name: &str) -> &str {
        let texts = self.texts();
        match name {
            "name" => texts.name,
            "protocol" => texts.protocol,
            "host" => texts.host,
            "port" => texts.port,
            "path" => texts.path,
            "description" => texts.description,
            "tags" => texts.tags,
            "max_connections" => texts.max_connections,
            "network_name" => texts.network_name,
            "network_secret" => texts.network_secret,
            "mail" => texts.contact,
            "qq_number" => texts.qq_number,
            "wechat" => texts.wechat,
            "regions" => texts.watched_from,
            "region" => texts.region,
            "check" => texts.depth,
            "timeout_ms" => texts.timeout_ms,
            "kind" => texts.kind,
            "days" => texts.valid_for,
            "uses" => texts.max_probes,
            "http_port" => texts.port,
            "http_token" => self.managed().token,
            "settings" => self.managed().settings,
            "server_id" => self.managed().server_id,
            "password" => texts.password,
            "severity" => texts.severity,
            "english" => texts.text_english,
            "chinese" => texts.text_chinese,
            "hours" => texts.ends_after,
            "title" => self.maintenance().title_field,
            "title_zh" => self.maintenance().title_zh,
            "nodes" => self.maintenance().nodes,
            "start" => self.maintenance().start,
            "time_zone" => self.maintenance().time_zone,
            "minutes" => self.maintenance().minutes,
            "rrule" => self.maintenance().rrule,
            "until" => self.maintenance().until,
            "on" => self.channels().what,
            "after" => self.channels().after,
            "gather" => self.channels().gather,
            "remind" => self.channels().remind,
            "quiet_from" => self.channels().quiet,
            "node" => self.alerts().node_id,
            "scope" => self.alerts().scope,
            "url" => self.sources().url,
            "every" => self.sources().every,
            // A setting of a channel: its label is beside it.
            name if name.starts_with("settings") => self.channels().settings,
            other => other,
        }
    }

    /// Why the value of a field is not valid.
    pub fn problem(self, problem: &FieldProblem) -> String {
        let text = |english: String, chinese: String| self.pick(english, chinese);
        let fixed = |english: &str, chinese: &str| self.pick(english, chinese).to_owned();
        match problem {
            FieldProblem::Missing | FieldProblem::Empty => fixed("Fill in this field.", "此项为必填项。"),
            FieldProblem::TooLong { max } => {
                text(format!("Enter at most {max} characters."), format!("最多 {max} 个字符。"))
            }
            FieldProblem::NoName { max } => text(
                format!("Enter 1 to {max} characters, without control characters."),
                format!("请填写 1 到 {max} 个字符，不含控制字符。"),
            ),
            FieldProblem::TooLarge { max } => {
                text(format!("Enter a whole number of at most {max}."), format!("请填写不超过 {max} 的整数。"))
            }
            FieldProblem::OutOfRange { min, max } => {
                text(format!("Enter a whole number from {min} to {max}."), format!("请填写 {min} 到 {max} 的整数。"))
            }
            FieldProblem::TooMany { max } => {
                text(format!("Enter at most {max} entries."), format!("最多填写 {max} 项。"))
            }
            FieldProblem::NoMailAddress => {
                fixed("Enter an email address such as name@example.net.", "请填写邮箱地址，例如 name@example.net。")
            }
            FieldProblem::NoControlToken => fixed(
                "must be the CONTROL_TOKEN of the probe: at least 32 visible characters",
                "应为该探针的 CONTROL_TOKEN：至少 32 个可见字符",
            ),
            FieldProblem::NoHost => fixed(
                "Enter a host name or an IP address, without the port. Write an international name in its xn-- form.",
                "请填写域名或 IP 地址，端口另填；国际化域名请使用 xn-- 形式。",
            ),
            FieldProblem::NoPath => fixed(
                "Enter a path such as /easytier, in ASCII, without spaces, # and \\.",
                "请填写路径，例如 /easytier；仅限 ASCII 字符，不含空格、# 和 \\。",
            ),
            FieldProblem::Url(error) => self.url(error).to_owned(),
            FieldProblem::Label(_) => fixed(
                "Each entry must have 1 to 64 characters, without commas or control characters.",
                "每项 1 到 64 个字符，不含逗号和控制字符。",
            ),
            FieldProblem::NoContact => fixed(
                "Enter at least one contact: email, QQ number or WeChat.",
                "请至少填写一种联系方式：邮箱、QQ 号或微信。",
            ),
            FieldProblem::Malformed(_) => fixed("This value is not valid.", "格式不正确。"),
            FieldProblem::NoRegion => fixed(
                "Enter the region of the probes, or tick \u{201c}Any region\u{201d}.",
                "请填写探针所在地区，或勾选“任意地区”。",
            ),
            FieldProblem::NothingCovered => fixed(
                "Name nodes, tags or regions, or tick \u{201c}All nodes\u{201d}.",
                "请填写节点、标签或地区，或勾选“全部节点”。",
            ),
            FieldProblem::Schedule(error) => self.schedule(error).to_owned(),
            FieldProblem::Channel(error) => self.channel_problem(error),
            FieldProblem::Rule(error) => self.rule_problem(*error).to_owned(),
            FieldProblem::Quiet(error) => self.quiet_problem(*error).to_owned(),
            FieldProblem::NoDuration => {
                fixed("Write a time such as 30s, 5m or 6h.", "请填写时间，例如 30s、5m 或 6h。")
            }
            FieldProblem::NoWebAddress => fixed("Enter an http or https URL.", "请填写 http 或 https 网址。"),
            FieldProblem::OwnAddress => fixed("This is the list of this hub itself.", "这是本站自己的列表。"),
            FieldProblem::NoInterval => {
                fixed("Write a time from 60s to 168h, such as 10m.", "请填写 60s 到 168h 的时间，例如 10m。")
            }
            FieldProblem::UnknownKind => fixed("Choose one of the kinds.", "请选择一种类型。"),
        }
    }

    pub(super) fn url(self, error: &PeerUrlError) -> &'static str {
        match error {
            PeerUrlError::NoScheme(_) => self.pick(
                "The address has no protocol: write it as tcp://host:port.",
                "地址缺少协议，应写作 tcp://主机:端口。",
            ),
            PeerUrlError::UnsupportedProtocol(_) => self.pick("The protocol is not supported.", "不支持此协议。"),
            PeerUrlError::PortZero(_) => self.pick("Port 0 cannot be used.", "端口不能为 0。"),
            PeerUrlError::Masked(_) => self.pick(
                "The address is masked; ask the node's owner for the real one.",
                "地址已被打码，请向节点所有者索取真实地址。",
            ),
            PeerUrlError::Listener(_) => self.pick(
                "This is where a node listens, and no address to connect to.",
                "这是监听地址，不能用于连接；请填写其他设备连接该节点的地址。",
            ),
            PeerUrlError::PortNotAllowed(_) => self.pick("This protocol has no port.", "此协议不需要填写端口。"),
            PeerUrlError::Credentials => {
                self.pick("User names and passwords are not allowed here.", "此处不能包含用户名或密码。")
            }
            // Also errors of a newer library.
            _ => self.pick("The host or the port is not valid.", "主机或端口无效。"),
        }
    }

    /// An edit at a dependent.
    fn not_primary(self, leader: &Leader) -> String {
        let Leader { name, url, .. } = leader;
        match (self, url) {
            (Self::English, Some(url)) => {
                format!("This instance is a dependent of {name}. Make the change there: {url}")
            }
            (Self::English, None) => format!("This instance is a dependent of {name}. Make the change there."),
            (Self::Chinese, Some(url)) => format!("本实例从属于 {name}，请前往主实例修改：{url}"),
            (Self::Chinese, None) => format!("本实例从属于 {name}，请前往主实例修改。"),
        }
    }

    fn forbidden(self, forbidden: &Forbidden) -> &'static str {
        match forbidden {
            Forbidden::TokenRegion(_) => self.pick("The token is for another region.", "该令牌属于其他地区。"),
            Forbidden::KeyRegion(_) => self.pick("The key is for another region.", "该密钥属于其他地区。"),
            Forbidden::ServerId => self.pick("The token is for another probe.", "该令牌属于其他探针。"),
        }
    }

    fn store(self, error: &StoreError) -> &'static str {
        match error {
            StoreError::NotFound(_) => self.texts().not_found_hint,
            StoreError::Conflict(conflict) => self.conflict(*conflict),
            StoreError::Lapsed(lapsed) => self.lapsed(lapsed),
            StoreError::HandingOver => self.pick(
                "Another instance becomes the primary now. Make the change in a minute.",
                "主实例正在切换，请一分钟后再操作。",
            ),
            StoreError::Closed => {
                self.pick("The hub is shutting down. Try again in a moment.", "服务正在关闭，请稍后再试。")
            }
            away if away.is_unavailable() => {
                self.pick("The database is not available. Try again in a moment.", "数据库暂时不可用，请稍后再试。")
            }
            _ => self.status(StatusCode::INTERNAL_SERVER_ERROR).1,
        }
    }

    /// Why a token or key is no longer accepted.
    pub fn lapsed(self, lapsed: &Lapsed) -> &'static str {
        match lapsed {
            Lapsed::Revoked { .. } => self.texts().revoked,
            Lapsed::Expired { .. } => self.texts().expired,
            Lapsed::UsedUp { .. } => self.texts().used_up,
        }
    }

    fn conflict(self, conflict: Conflict) -> &'static str {
        match conflict {
            Conflict::PeerListed => self.pick(
                "A node with this address and network is already listed or waiting for approval.",
                "相同地址和网络的节点已上架或正在等待审核。",
            ),
            Conflict::ProbeNotOffline => self.pick("Only an offline probe can be removed.", "只能移除已离线的探针。"),
            Conflict::ServerIdTaken => self.pick("A probe with this ID is already registered.", "此 ID 的探针已注册。"),
            Conflict::OtherProbe => self.forbidden(&Forbidden::ServerId),
            Conflict::OtherRegion | Conflict::ProbeInOtherRegion => {
                self.pick("The probe belongs to another region.", "该探针属于其他地区。")
            }
            Conflict::PeerChanged => self.pick(
                "Somebody changed this node while you were editing it. Open it again, and repeat your change.",
                "编辑期间此节点已被他人修改。请重新打开后再改。",
            ),
            Conflict::SettingsChanged => self.pick(
                "Somebody changed the same setting meanwhile. Open the page again, and repeat your change.",
                "同一设置刚刚已被他人修改。请重新打开页面后再改。",
            ),
            Conflict::ChannelNamed => self.pick("Another channel has this name.", "已有同名的通知渠道。"),
            Conflict::ChannelChanged => self.pick(
                "Somebody changed this channel meanwhile. Open it again, and repeat your change.",
                "该通知渠道刚刚已被他人修改。请重新打开后再改。",
            ),
            Conflict::MaintenanceChanged => self.pick(
                "Somebody changed this maintenance window meanwhile. Open it again, and repeat your change.",
                "该维护计划刚刚已被他人修改。请重新打开后再改。",
            ),
            Conflict::TooManyWindows => self.pick(
                "There are too many maintenance windows. Remove some that are over.",
                "维护计划过多，请先删除已结束的。",
            ),
            Conflict::NotInMaintenance => {
                self.pick("This maintenance window does not take place now.", "该维护计划当前未在进行。")
            }
            Conflict::TooManySources => {
                self.pick("There are too many sources. Remove some.", "来源过多，请先删除一些。")
            }
            Conflict::SourceListed => self.pick("This list is followed already.", "已在跟踪此列表。"),
            Conflict::TooManyManaged => {
                self.pick("There are too many managed probes. Remove some.", "受管理的探针过多，请先移除一些。")
            }
            Conflict::ProbeManaged => self.pick("This probe is managed already.", "该探针已在管理中。"),
            Conflict::ProbeElsewhere => self.pick(
                "This probe reports to another hub. Remove BACKEND_BASE_URL from its configuration, or let it report to this one.",
                "该探针正在向其他服务上报。请从其配置中删除 BACKEND_BASE_URL，或改为向本服务上报。",
            ),
            Conflict::CheckedJustNow => self.pick(
                "An address of this node was checked by request a moment ago. Try again in ten seconds.",
                "刚刚已按请求检测过此地址，请十秒后再试。",
            ),
            Conflict::IncidentFull => {
                self.pick("The timeline of this incident has too many texts.", "此次故障的说明过多，无法继续添加。")
            }
            Conflict::RegionNamed => self.pick("Another region has this name.", "已有同名地区。"),
            Conflict::RegionShared => self.pick(
                "The instances of a cluster know a region by its name, so that it can be neither renamed nor removed.",
                "集群中的各实例以名称识别地区，因此不能重命名或删除地区。",
            ),
            Conflict::RegionHasProbes => self
                .pick("A probe of this region is not offline. Stop it first.", "该地区仍有探针未离线，请先停止探针。"),
            Conflict::RegionHasTokens => self.pick(
                "Node tokens or enrollment keys of this region are valid. Revoke them first.",
                "该地区仍有有效的探针令牌或注册密钥，请先吊销。",
            ),
            Conflict::RegionHasPeers => self.pick(
                "Nodes name this region among those that check them. Change them first.",
                "仍有节点指定由该地区检测，请先修改这些节点。",
            ),
            Conflict::TokenTaken => self.pick("Another token begins alike.", "令牌前缀已被占用。"),
            // A conflict of a newer store.
            _ => self.status(StatusCode::CONFLICT).1,
        }
    }

    /// The title and the explanation of the page for a refused request.
    pub fn status(self, status: StatusCode) -> (&'static str, &'static str) {
        let texts = self.texts();
        match status {
            StatusCode::UNAUTHORIZED => self.pick(
                ("Not logged in", "Log in to see this page."),
                ("未登录", "请先登录。"),
            ),
            StatusCode::FORBIDDEN => self.pick(
                (
                    "Not allowed",
                    "The request did not come from a page of this hub. A proxy in front of the hub must pass on the original \
                     Host header, or set X-Forwarded-Host.",
                ),
                (
                    "请求被拒绝",
                    "请求并非来自本站页面。若前面有反向代理，请让它转发原始的 Host，或设置 X-Forwarded-Host。",
                ),
            ),
            StatusCode::NOT_FOUND => (texts.not_found, texts.not_found_hint),
            StatusCode::GONE => self.pick(
                ("Link expired", "This link can no longer be used."),
                ("链接已失效", "此链接已无法使用。"),
            ),
            StatusCode::METHOD_NOT_ALLOWED => self.pick(
                ("Method not allowed", "This address does not support this request method."),
                ("不支持的请求方式", "此地址不支持这种请求方式。"),
            ),
            StatusCode::REQUEST_TIMEOUT => self.pick(
                ("Request timed out", "The request took too long to arrive. Try again."),
                ("请求超时", "请求传输超时，请重试。"),
            ),
            StatusCode::CONFLICT => self.pick(
                ("Conflict", "The request contradicts what is stored."),
                ("数据冲突", "请求与现有数据冲突。"),
            ),
            StatusCode::PAYLOAD_TOO_LARGE => self.pick(
                ("Request too large", "The request is larger than the hub accepts."),
                ("请求内容过大", "请求内容超出大小限制。"),
            ),
            StatusCode::TOO_MANY_REQUESTS => self.pick(
                ("Too many requests", "Try again in a few minutes."),
                ("请求过于频繁", "请几分钟后再试。"),
            ),
            StatusCode::SERVICE_UNAVAILABLE => self.pick(
                ("Service temporarily unavailable", "Try again in a moment."),
                ("服务暂时不可用", "请稍后再试。"),
            ),
            status if status.is_client_error() => self.pick(
                ("Bad request", "The address or the form has a value that is not valid."),
                ("请求有误", "地址或表单中有无效的值。"),
            ),
            _ => self.pick(
                ("Internal error", "The hub failed. Its log has the details."),
                ("服务器内部错误", "服务出错，详情请查看服务日志。"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::service::FieldError;

    #[test]
    fn a_refusal_is_in_the_readers_language() {
        let port = ServiceError::Field(FieldError::new("port", FieldProblem::OutOfRange { min: 1, max: 65535 }));
        assert_eq!(Language::English.refusal(&port), "Port: Enter a whole number from 1 to 65535.");
        assert_eq!(Language::Chinese.refusal(&port), "端口：请填写 1 到 65535 的整数。");
        let limited = ServiceError::RateLimited { retry_after: Duration::from_secs(180) };
        assert_eq!(Language::English.refusal(&limited), "Too many requests. Try again in 3 min.");
        assert_eq!(Language::Chinese.refusal(&limited), "请求过于频繁，请 3 分钟后再试。");
    }

    #[test]
    fn no_refusal_on_a_chinese_page_is_english() {
        let statuses = [400, 401, 403, 404, 405, 408, 409, 410, 413, 429, 500, 503]
            .map(|code| StatusCode::from_u16(code).unwrap());
        let conflicts = [
            Conflict::PeerListed,
            Conflict::ServerIdTaken,
            Conflict::OtherProbe,
            Conflict::OtherRegion,
            Conflict::ProbeInOtherRegion,
            Conflict::ProbeNotOffline,
            Conflict::PeerChanged,
            Conflict::SettingsChanged,
            Conflict::TokenTaken,
            Conflict::ChannelNamed,
            Conflict::ChannelChanged,
            Conflict::MaintenanceChanged,
            Conflict::TooManyWindows,
            Conflict::NotInMaintenance,
            Conflict::IncidentFull,
            Conflict::RegionNamed,
            Conflict::RegionShared,
            Conflict::RegionHasProbes,
            Conflict::RegionHasTokens,
            Conflict::RegionHasPeers,
        ];
        let texts = statuses.iter().flat_map(|status| <[&str; 2]>::from(Language::Chinese.status(*status)));
        for text in texts.chain(conflicts.map(|conflict| Language::Chinese.conflict(conflict))) {
            assert!(text.chars().any(|c| matches!(c, '\u{4e00}'..='\u{9fff}')), "{text}");
        }
    }
}
