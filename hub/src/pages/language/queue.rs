//! What became of submissions on which the operator decided together.

use super::Language;
use crate::service::Decision;

impl Language {
    /// How many submissions were approved or rejected, how many are listed already, and how many do not wait any more.
    pub fn decided(self, decision: Decision, done: u32, listed: u32, gone: u32) -> String {
        let mut sentences = vec![match decision {
            Decision::Approve => self.pick(format!("Listed now: {done}."), format!("已上架 {done} 个。")),
            Decision::Reject => self.pick(format!("Rejected: {done}."), format!("已拒绝 {done} 个。")),
        }];
        if listed > 0 {
            sentences.push(self.pick(
                format!("Still waiting, because a node with the same address and network exists: {listed}."),
                format!("{listed} 个因相同地址和网络的节点已存在，仍待审核。"),
            ));
        }
        if gone > 0 {
            sentences.push(
                self.pick(format!("No longer waiting before: {gone}."), format!("另有 {gone} 个此前已不在队列中。")),
            );
        }
        sentences.join(self.pick(" ", ""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_happened_is_told() {
        let [english, chinese] = [Language::English, Language::Chinese];
        assert_eq!(english.decided(Decision::Reject, 3, 0, 0), "Rejected: 3.");
        assert_eq!(chinese.decided(Decision::Reject, 3, 0, 1), "已拒绝 3 个。另有 1 个此前已不在队列中。");
        let both = "Listed now: 2. Still waiting, because a node with the same address and network exists: 1.";
        assert_eq!(english.decided(Decision::Approve, 2, 1, 0), both);
    }
}
