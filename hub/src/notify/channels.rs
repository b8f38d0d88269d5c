//! Sends messages to channels of all kinds.

use easytier_probe::Secret;
use easytier_uptime_alerts::{
    Channel, ChannelKind, Guarantee, Mailbox, Message, Outcome, SendError, SendOptions, Sender,
};
use futures::{FutureExt, future::BoxFuture};

use crate::service::{
    FieldProblem,
    alerts::{Messenger, Settings},
};

/// Sends messages to channels of all kinds.
pub struct Channels(Result<Sender, SendError>);

impl Default for Channels {
    fn default() -> Self {
        Self(Sender::new(SendOptions::default()))
    }
}

impl Messenger for Channels {
    fn check(&self, kind: &str, settings: &Settings) -> Result<(), FieldProblem> {
        channel(kind, settings).map(drop)
    }

    fn shown(&self, kind: &str, settings: &Settings) -> Settings {
        channel(kind, settings).map(|channel| channel.shown()).unwrap_or_default()
    }

    fn sends_at_most_once(&self, kind: &str) -> bool {
        ChannelKind::from_name(kind).is_none_or(|kind| kind.guarantee() == Guarantee::AtMostOnce)
    }

    fn send_to_visitor<'a>(
        &'a self,
        settings: &'a Settings,
        address: &'a Secret,
        message: &'a Message,
    ) -> BoxFuture<'a, Outcome> {
        async move {
            let refused = |why: String| Outcome::Refused { why };
            let sender = match &self.0 {
                Ok(sender) => sender,
                Err(why) => return refused(why.to_string()),
            };
            let channel = channel(ChannelKind::Mail.name(), settings);
            let Ok(mailbox) = Mailbox::parse(address.expose()) else { return refused("it is no mailbox".to_owned()) };
            match channel.map(|channel| channel.for_visitor(&mailbox)) {
                Ok(Some(channel)) => sender.send(&channel, message).await,
                Ok(None) => refused("the channel does not serve visitors".to_owned()),
                Err(problem) => refused(problem.to_string()),
            }
        }
        .boxed()
    }

    fn send<'a>(&'a self, kind: &'a str, settings: &'a Settings, message: &'a Message) -> BoxFuture<'a, Outcome> {
        async move {
            let sender = self.0.as_ref().map_err(ToString::to_string);
            match sender
                .and_then(|sender| Ok((sender, channel(kind, settings).map_err(|problem| problem.to_string())?)))
            {
                Ok((sender, channel)) => sender.send(&channel, message).await,
                Err(why) => Outcome::Refused { why },
            }
        }
        .boxed()
    }
}

fn channel(kind: &str, settings: &Settings) -> Result<Channel, FieldProblem> {
    let known = ChannelKind::from_name(kind).ok_or_else(|| {
        let kinds: Vec<&str> = ChannelKind::ALL.into_iter().map(ChannelKind::name).collect();
        FieldProblem::Malformed(format!("the kinds of channels are: {}", kinds.join(", ")))
    })?;
    Ok(Channel::new(known, settings.clone())?)
}
