//! Stages and failures of checks, for people who want to use a node.

use easytier_probe::{FailureCode, Stage};

use super::Language;

impl Language {
    /// The name of a stage.
    pub fn stage(self, stage: Stage) -> &'static str {
        let (english, chinese) = match stage {
            Stage::Resolve => ("name resolution", "域名解析"),
            Stage::Connect => ("connection", "建立连接"),
            Stage::Handshake => ("handshake", "握手"),
            Stage::Admit => ("admission", "准入"),
            Stage::Ping => ("ping", "Ping"),
            Stage::Route => ("route information", "路由信息"),
            Stage::Relay => ("relay", "中继"),
            // A stage of a newer library.
            _ => (stage.as_str(), stage.as_str()),
        };
        self.pick(english, chinese)
    }

    /// Why a check failed.
    pub fn failure(self, code: FailureCode) -> &'static str {
        let (english, chinese) = match code {
            FailureCode::InvalidUrl => ("Invalid node address", "节点地址无效"),
            FailureCode::UnsupportedProtocol => ("Protocol not supported by the probe", "探针不支持此协议"),
            FailureCode::ForbiddenAddress => ("Not a public address", "不是公网地址"),
            FailureCode::DnsFailed => ("Host name could not be resolved", "域名解析失败"),
            FailureCode::ResolverFailed => {
                ("No usable node in the list at this address", "该地址返回的列表中没有可用节点")
            }
            FailureCode::ConnectRefused => ("Connection refused", "连接被拒绝"),
            FailureCode::ConnectTimeout => ("Connection timed out", "连接超时"),
            FailureCode::Unreachable => ("No route to the address", "地址不可达"),
            FailureCode::TlsFailed => ("TLS connection failed", "TLS 连接失败"),
            FailureCode::HandshakeTimeout => ("Connected, but no handshake reply", "已建立连接，但握手无响应"),
            FailureCode::NotEasytier => ("The port answers, but it is not EasyTier", "端口有响应，但不是 EasyTier"),
            FailureCode::ProtocolMismatch => ("Incompatible EasyTier protocol version", "EasyTier 协议版本不兼容"),
            FailureCode::NetworkMismatch => ("Node belongs to another network", "节点属于其他网络"),
            FailureCode::SecretMismatch => ("Network secret does not match", "网络密钥不一致"),
            FailureCode::Rejected => ("Node refuses guests", "节点拒绝访客接入"),
            FailureCode::PingTimeout => ("Connected, but no ping reply", "已连上节点，但 Ping 无响应"),
            FailureCode::Closed => ("Node closed the connection", "节点断开了连接"),
            FailureCode::RelayRefused => ("Node does not relay", "节点不提供中继"),
            FailureCode::Internal => ("Internal error of the probe", "探针内部错误"),
            FailureCode::ProbeUnreachable => ("Probe has no network", "探针网络不可用"),
            FailureCode::MissedWindow => ("Check could not start in time", "检测未能按时开始"),
            // A code of a newer library.
            _ => ("Check failed", "检测失败"),
        };
        self.pick(english, chinese)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_a_text_of_its_own() {
        for code in FailureCode::ALL {
            for language in Language::ALL {
                let is_same = |other: &&FailureCode| language.failure(**other) == language.failure(*code);
                assert_eq!(FailureCode::ALL.iter().filter(is_same).count(), 1, "{code} in {}", language.name());
            }
        }
    }
}
