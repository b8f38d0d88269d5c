//! The texts about subscriptions by mail.

use super::Language;
use crate::service::subscriptions::SubscriptionsView;

texts! {
    /// The fixed texts about subscriptions in one language.
    SubscriptionTexts:

    title: "Subscribe by mail", "邮件订阅";
    hint: "A mail when this node goes down, and when it is up again. First you confirm that the mailbox is yours.",
        "此节点离线和恢复时发送邮件。首先需要确认邮箱属于您本人。";
    address: "Mail address", "邮箱地址";
    subscribe: "Subscribe", "订阅";
    // The same for each mailbox, known or not.
    asked: "If mails can be sent to this mailbox, a mail with a link is on its way. The link leads to a page where you confirm. A mailbox \
            gets at most one such mail a day; its link also shows what was asked for since.",
        "如果该邮箱可以收信，一封带链接的邮件将会送达，请打开链接并在页面上确认。同一邮箱每天最多收到一封确认邮件，其中的链接也会显示此后申请的订阅。";
    back: "Back to the node", "返回节点页面";
    yours: "Your subscriptions", "我的订阅";
    mailbox: "Mailbox", "邮箱";
    waiting: "To confirm", "等待确认";
    waiting_hint: "No mails are sent about these nodes until you confirm. What is not confirmed within three days is forgotten.",
        "确认之前不会就这些节点发送邮件；三天内未确认的申请将被清除。";
    confirm: "Confirm", "确认";
    confirm_all: "Confirm all", "全部确认";
    confirmed: "Mails are sent about", "已订阅的节点";
    end: "Unsubscribe", "退订";
    end_all: "Unsubscribe from all", "全部退订";
    end_all_hint: "The mailbox is deleted here, with all that it asked for.", "将删除此邮箱及其全部订阅。";
    nothing: "Nothing is subscribed with this mailbox.", "此邮箱没有任何订阅。";
    was_confirmed: "Confirmed: you get a mail when something changes.", "已确认，状态变化时将发送邮件。";
    was_ended: "Unsubscribed: no more mails are sent about it.", "已退订，不再发送相关邮件。";
    at_dependent: "This instance does not send mails now, so nothing can be confirmed here. Unsubscribing is possible.",
        "本实例目前不负责发送邮件，无法在此确认订阅，但可以退订。";
    no_public_url: "Visitors cannot subscribe by mail, because PUBLIC_URL is not set.", "未设置 PUBLIC_URL，访客无法用邮件订阅。";
}

impl Language {
    pub fn subscriptions(self) -> &'static SubscriptionTexts {
        self.pick(&ENGLISH, &CHINESE)
    }

    /// How many visitors subscribed, for the operator.
    pub fn subscription_counts(self, view: &SubscriptionsView) -> String {
        let SubscriptionsView { mailboxes, subscriptions, unconfirmed, waiting, .. } = view;
        self.pick(
            format!(
                "Subscriptions by mail: {subscriptions} of {mailboxes} mailboxes; unconfirmed mailboxes: {unconfirmed}; mails that \
                 wait: {waiting}."
            ),
            format!("邮件订阅：{mailboxes} 个邮箱共 {subscriptions} 项；未确认的邮箱 {unconfirmed} 个；待发邮件 {waiting} 封。"),
        )
    }
}
