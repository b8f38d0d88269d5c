//! The kinds of channels, one file each.

mod alertmanager;
mod bark;
mod dingtalk;
mod discord;
mod feishu;
mod mail;
mod matrix;
mod ntfy;
mod pagerduty;
mod serverchan;
mod signature;
mod slack;
mod spec;
mod telegram;
mod webhook;
mod wecom;

pub(super) use self::{
    alertmanager::ALERTMANAGER,
    bark::BARK,
    dingtalk::DINGTALK,
    discord::DISCORD,
    feishu::FEISHU,
    mail::{MAIL, SUBSCRIPTIONS},
    matrix::MATRIX,
    ntfy::NTFY,
    pagerduty::PAGERDUTY,
    serverchan::SERVERCHAN,
    slack::SLACK,
    spec::Spec,
    telegram::TELEGRAM,
    webhook::WEBHOOK,
    wecom::WECOM,
};
