//! What sends messages.

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

    /// Sends a message once. It ends within twenty seconds.
    fn send<'a>(&'a self, kind: &'a str, settings: &'a Settings, message: &'a Message) -> BoxFuture<'a, Outcome>;
}
