//! The texts about instances: what this one is among others, and the page that manages them.

use easytier_uptime_store::domain::{ObjectKind, Role};

use super::Language;
use crate::{
    instance::wire::{MemberStatus, SyncState},
    service::SyncRefusal,
};

texts! {
    /// The fixed texts about instances in one language.
    InstanceTexts:

    title: "Instances", "实例";
    standalone: "This instance stands alone. To begin a cluster, start it with ENABLE_SYNC_API=true and a SYNC_SECRET; then run \
                 “easytier-uptime hub join” with its address on each other machine.",
        "本实例独立运行。如需组建集群，请以 ENABLE_SYNC_API=true 和 SYNC_SECRET 启动本实例，再在其他机器上运行 \
         “easytier-uptime hub join”并附上本实例的地址。";
    primary_hint: "The order decides who takes the place of a lost primary: the first dependent in it that is there, and that others \
                   reach.",
        "顺序决定主实例失联后由谁接任：排在最前、在线且可被其他实例访问的从实例。";
    dependent_hint: "Order, promotion, demotion and removal are done at the primary. On the machine of this instance you can still run:",
        "调整顺序、切换主实例和移除实例请在主实例操作。在本实例所在机器上仍可运行：";
    leave_hint: "leave the cluster, and keep the nodes", "退出集群并保留节点";
    force_hint: "make this instance the primary, if the present one is lost for good", "主实例无法恢复时，让本实例成为主实例";
    edits_wait: "This primary takes no changes now: it asks the other instances, or hands over. Changes are possible again in a minute.",
        "主实例正在确认其他实例的状态或交接，暂不接受修改，请一分钟后再试。";
    cluster: "Cluster", "集群";
    epoch: "Epoch", "纪元";
    own: "this instance", "本实例";
    order: "Order", "顺序";
    last_heartbeat: "Last heartbeat", "最近心跳";
    synchronisation: "Synchronisation", "同步";
    load: "Load", "负载";
    processor: "CPU", "CPU";
    memory: "memory", "内存";
    disk: "disk", "磁盘";
    endpoints: "nodes checked", "个检测节点";
    no_endpoint: "no address", "无地址";
    not_called_back: "The primary does not reach it there: it cannot take over.", "主实例无法访问该地址，不能接任。";
    promote: "Promote", "设为主实例";
    promote_title: "Make this instance the primary?", "将此实例设为主实例？";
    promote_hint: "Changes stop for a moment, until it has the whole configuration and all results. Then it leads, and the present \
                   primary becomes a dependent. Nothing is lost.",
        "修改会短暂停止，待其拥有全部配置和检测结果后接任，现主实例随之成为从实例，数据不会丢失。";
    demote: "Demote", "卸任";
    demote_title: "Hand the lead to the next instance?", "交由下一个实例接任？";
    demote_hint: "The first dependent in the order that is there takes over. Changes stop for a moment; nothing is lost.",
        "由顺序中第一个在线的从实例接任。修改会短暂停止，数据不会丢失。";
    remove: "Remove", "移除";
    remove_title: "Remove this instance from the cluster?", "将此实例移出集群？";
    remove_hint: "Its token ends, and it is no longer counted. Its own data stay. While it runs and knows SYNC_SECRET, it registers \
                  again.",
        "其令牌将失效，且不再计入集群；它自己的数据会保留。若它仍在运行且持有 SYNC_SECRET，会重新注册。";
    begun: "The hand-over has begun. Load this page again in a moment.", "交接已开始，请稍后刷新本页。";
    moved: "The order is changed.", "顺序已调整。";
    removed: "The instance is removed.", "实例已移除。";
    lost: "Changes that were lost", "未被采纳的修改";
    lost_hint: "Made at an instance that did not know of a newer change of the same object. The newer one counts; here is what the \
                other one said, without secrets.",
        "这些修改所在的实例当时不知道同一对象有更新的修改。以较新者为准，下面列出未被采纳的内容，不含密钥。";
    object: "Object", "对象";
    lost_value: "Lost", "未采纳";
    kept_value: "Kept", "采纳";
    deleted: "deleted", "已删除";
}

impl Language {
    /// The texts about instances.
    pub fn instances(self) -> &'static InstanceTexts {
        self.pick(&ENGLISH, &CHINESE)
    }

    pub fn depends_on(self, primary: &str) -> String {
        self.pick(format!("This instance is a dependent of {primary}."), format!("本实例是 {primary} 的从实例。"))
    }

    /// Before the address of the primary.
    pub fn edits_at(self) -> &'static str {
        self.pick("Changes are made there:", "请前往主实例修改：")
    }

    pub fn edits_there(self) -> &'static str {
        self.pick("Changes are made there.", "请前往主实例修改。")
    }

    /// That the primary is away; `since` is a time in UTC.
    pub fn primary_away(self, primary: &str, since: &str) -> String {
        self.pick(
            format!("The primary {primary} has been away since {since} UTC. This instance goes on alone."),
            format!("主实例 {primary} 自 {since}（UTC）起失联，本实例独立运行中。"),
        )
    }

    pub fn configured_otherwise(self, configured: Role, role: Role) -> String {
        let (configured, role) = (self.role(configured), self.role(role));
        self.pick(
            format!("Configured: {configured}. The role is {role} since a failover or a command."),
            format!("配置的角色：{configured}。因故障切换或命令，当前角色为{role}。"),
        )
    }

    pub fn role(self, role: Role) -> &'static str {
        match role {
            Role::Standalone => self.pick("standalone", "独立"),
            Role::Primary => self.pick("primary", "主实例"),
            Role::Dependent => self.pick("dependent", "从实例"),
        }
    }

    pub fn member_status(self, status: MemberStatus) -> &'static str {
        match status {
            MemberStatus::Active => self.pick("Active", "正常"),
            MemberStatus::Inactive => self.pick("Inactive", "心跳超时"),
            MemberStatus::Failed => self.pick("Failed", "失联"),
            MemberStatus::Promoting => self.pick("Taking over", "正在接任"),
        }
    }

    pub fn sync_state(self, state: SyncState) -> &'static str {
        match state {
            SyncState::Pending => self.pick("not yet", "尚未同步"),
            SyncState::Synced => self.pick("synchronised", "已同步"),
            SyncState::Error => self.pick("failed", "同步失败"),
        }
    }

    /// The version of the configuration that an instance holds. `wanted`: that of the primary, if it is another one.
    pub fn held_version(self, held: &str, wanted: Option<&str>) -> String {
        match wanted {
            None => self.pick(format!("version {held}"), format!("版本 {held}")),
            Some(wanted) => {
                self.pick(format!("version {held}, behind {wanted}"), format!("版本 {held}，落后于 {wanted}"))
            }
        }
    }

    /// The label of a button that moves an instance in the order.
    pub fn move_in_order(self, name: &str, up: bool) -> String {
        match up {
            true => self.pick(format!("Move {name} up"), format!("上移 {name}")),
            false => self.pick(format!("Move {name} down"), format!("下移 {name}")),
        }
    }

    pub fn object_kind(self, kind: ObjectKind) -> &'static str {
        match kind {
            ObjectKind::Peer => self.pick("Node", "节点"),
            ObjectKind::Region => self.pick("Region", "地区"),
            ObjectKind::Setting => self.pick("Setting", "设置"),
            ObjectKind::Probe => self.pick("Probe", "探针"),
            ObjectKind::Credential => self.pick("Token or key", "令牌或密钥"),
            ObjectKind::Channel => self.pick("Channel", "通知渠道"),
            ObjectKind::Maintenance => self.pick("Maintenance window", "维护计划"),
        }
    }

    /// Why a change of the cluster was refused.
    pub fn sync_refusal(self, refusal: &SyncRefusal) -> &'static str {
        match refusal.code {
            "not_primary" => self.pick("Only the primary does that.", "此操作只能在主实例进行。"),
            "not_found" => self.pick("The instance is no longer in the cluster.", "该实例已不在集群中。"),
            "nobody" => self.pick(
                "No dependent could take over: one must be active, and the primary must reach it.",
                "没有可接任的从实例：须有一个在线且可被主实例访问。",
            ),
            "not_called_back" => self.instances().not_called_back,
            "other_epoch" => self.pick(
                "The primary changed meanwhile. Look at the list before you repeat it.",
                "主实例刚刚已变更，请查看列表后再操作。",
            ),
            "standalone" => self.pick("This instance belongs to no cluster.", "本实例不属于任何集群。"),
            "unavailable" => {
                self.pick("The database is not available. Try again in a moment.", "数据库暂时不可用，请稍后再试。")
            }
            _ => self.pick("The instance could not do that; its log says why.", "操作失败，详情请查看服务日志。"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_refusal_on_a_chinese_page_is_english() {
        let known =
            ["not_primary", "not_found", "nobody", "not_called_back", "other_epoch", "standalone", "unavailable"];
        for code in known.into_iter().chain(["of a later version"]) {
            let refusal = SyncRefusal { status: 409, code, message: String::new(), epoch: None };
            let text = Language::Chinese.sync_refusal(&refusal);
            assert!(text.chars().any(|c| matches!(c, '\u{4e00}'..='\u{9fff}')), "{code}: {text}");
        }
    }
}
