//! What sends messages.

use easytier_probe::Secret;
use easytier_uptime_alerts::{Message, Outcome};
use futures::future::BoxFuture;

use super::config::Settings;
use crate::service::FieldProblem;

/// What sends messages, and knows the kinds of channels.
pub trait Messenger: Send + Sync {
    /// Checks a kind and its settings.
    ///
    /// # Errors
    ///
    /// What is wrong with them, without secrets.
    fn check(&self, kind: &str, settings: &Settings) -> Result<(), FieldProblem>;

    /// The settings without secrets.
    fn shown(&self, kind: &str, settings: &Settings) -> Settings;

    /// Whether a message whose outcome is not known is not sent again, because the channel does not recognise a repeat.
    fn sends_at_most_once(&self, kind: &str) -> bool;

    /// Sends a mail to the mailbox of a visitor, once, by the server and the sender of these settings of a channel of mail. It ends
    /// within twenty seconds. The outcome does not show the address.
    fn send_to_visitor<'a>(
        &'a self,
        settings: &'a Settings,
        address: &'a Secret,
        message: &'a Message,
    ) -> BoxFuture<'a, Outcome>;

    /// Sends a message once. It ends within twenty seconds.
    fn send<'a>(&'a self, kind: &'a str, settings: &'a Settings, message: &'a Message) -> BoxFuture<'a, Outcome>;
}
