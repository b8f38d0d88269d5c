//! Sends messages: requests and mails with bounds to time, memory and addresses.

mod addresses;
mod link;
mod mail;
mod proxy;
mod reply;
mod starttls;
mod web;

use std::{sync::Arc, time::Duration};

use easytier_probe::{AddressPolicy, tls};
use rustls::ClientConfig;
use tokio::time::timeout;

use self::{mail::MailSender, web::WebSender};
use crate::{Channel, Message, Outcome, channel::Outgoing};

/// How messages are sent.
#[derive(Debug, Clone)]
pub struct SendOptions {
    /// Which addresses the channels may lead to that no admin set, see [`Channel::confined`].
    pub address_policy: AddressPolicy,
    /// The longest time that a connection takes, with its TLS.
    pub connect_timeout: Duration,
    /// The longest time that a message takes, from the first lookup to the end of the answer.
    pub timeout: Duration,
    /// Whom connections trust; without it those whom the system trusts.
    pub trust: Option<ClientConfig>,
}

impl Default for SendOptions {
    fn default() -> Self {
        Self {
            address_policy: AddressPolicy::PUBLIC_ONLY,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(15),
            trust: None,
        }
    }
}

/// Messages cannot be sent here.
#[derive(Debug, thiserror::Error)]
#[error("no messages can be sent: {0}; install the CA certificates of your system")]
pub struct SendError(String);

/// Sends messages. Each has a connection of its own: none waits for another, and none is lost on a connection that the
/// service was about to close.
pub struct Sender {
    web: WebSender,
    mail: MailSender,
    timeout: Duration,
}

impl Sender {
    /// A sender with these options.
    ///
    /// # Errors
    ///
    /// If no client for the web can be made.
    pub fn new(options: SendOptions) -> Result<Self, SendError> {
        let trust = match options.trust.clone() {
            Some(trust) => trust,
            // A system without certificates can still send without TLS.
            None => tls::for_web_servers()
                .or_else(|_| tls::without_trust())
                .map_err(|error| SendError(error.to_string()))?,
        };
        let mut without_http = trust.clone();
        without_http.alpn_protocols.clear();
        Ok(Self {
            web: WebSender::new(&options, trust).map_err(SendError)?,
            mail: MailSender {
                address_policy: options.address_policy,
                connect_timeout: options.connect_timeout,
                tls: Arc::new(without_http),
            },
            timeout: options.timeout,
        })
    }

    /// Sends `message` to `channel`. It ends within the timeout, whatever the other side does.
    pub async fn send(&self, channel: &Channel, message: &Message) -> Outcome {
        #[expect(clippy::disallowed_methods, reason = "signatures and mails hold the time at which they are made")]
        let now = chrono::Utc::now();
        let outcome = match channel.request(message, now) {
            Err(refusal) => refusal,
            Ok(Outgoing::Http(request)) => match self.web.send(channel, request, self.timeout).await {
                Ok(answer) => channel.verdict(&answer),
                Err(outcome) => channel.redacted(outcome),
            },
            Ok(Outgoing::Mail(mail)) => {
                let sent = timeout(self.timeout, self.mail.send(channel, &mail)).await;
                let outcome = sent
                    .unwrap_or_else(|_| Outcome::unclear(format!("no answer within {} s", self.timeout.as_secs_f64())));
                channel.redacted(outcome)
            }
        };
        tracing::debug!(kind = channel.kind().name(), id = %message.id, ?outcome, "sent a message");
        outcome
    }
}
