//! A channel whose settings were checked.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use url::Url;

use super::{
    answer::Answer,
    fault::Fault,
    field::{Field, Format, Settings},
    kind::ChannelKind,
    kinds::SUBSCRIPTIONS,
    outgoing::Outgoing,
    redaction,
};
use crate::{Mailbox, Message, Outcome, layout};

/// Where messages go: a kind with its settings, which were checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Channel {
    kind: ChannelKind,
    settings: Settings,
    confined: bool,
    /// Whether it leads to the mailbox of a visitor.
    is_private: bool,
}

/// What is wrong with the settings of a channel. Its text never shows a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// The kind has no such setting.
    #[error("a channel of the kind {kind} has no setting {field}; it has {known}")]
    Unknown {
        /// The name of the kind.
        kind: &'static str,
        /// The name that is not known.
        field: String,
        /// The names that are.
        known: String,
    },
    /// A required setting has no value.
    #[error("a channel of the kind {kind} needs {field}: {help}")]
    Missing {
        /// The name of the kind.
        kind: &'static str,
        /// The name of the setting.
        field: &'static str,
        /// What it is.
        help: &'static str,
    },
    /// A value makes no sense.
    #[error("{field}: {why}")]
    Invalid {
        /// The name of the setting.
        field: &'static str,
        /// What is wrong.
        why: Fault,
    },
}

/// The settings that only an admin may make: they take requests where no address policy sees them, or much memory, or send mails to
/// strangers.
const ADMINS: [&str; 4] = ["proxy", "body", "headers", SUBSCRIPTIONS];

impl Channel {
    /// A channel with these settings; an empty value counts as none.
    ///
    /// # Errors
    ///
    /// [`ChannelError`] names the first setting that is wrong. Templates are tried.
    pub fn new(kind: ChannelKind, settings: BTreeMap<String, String>) -> Result<Self, ChannelError> {
        let settings = Settings::new(settings);
        let fields = kind.fields();
        if let Some(field) = settings.all().keys().find(|name| fields.iter().all(|field| field.name != **name)) {
            let known = fields.iter().map(|field| field.name).collect::<Vec<_>>().join(", ");
            let field = layout::one_line(field, 40);
            return Err(ChannelError::Unknown { kind: kind.name(), field, known });
        }
        for field in fields {
            match settings.get(field.name) {
                None if field.required => {
                    return Err(ChannelError::Missing { kind: kind.name(), field: field.name, help: field.english });
                }
                None => {}
                Some(value) => {
                    field.format.check(value).map_err(|why| ChannelError::Invalid { field: field.name, why })?;
                }
            }
        }
        (kind.spec().check)(&settings).map_err(|(field, why)| ChannelError::Invalid { field, why })?;
        Ok(Self { kind, settings, confined: false, is_private: false })
    }

    /// The same channel for somebody who is no admin: the address policy of the sender applies to it.
    ///
    /// # Errors
    ///
    /// If it has a proxy or a template: only an admin sets these.
    pub fn confined(self) -> Result<Self, ChannelError> {
        match ADMINS.into_iter().find(|name| self.settings.get(name).is_some()) {
            Some(field) => Err(ChannelError::Invalid {
                field,
                why: Fault::new("only an admin may set it", "只有管理员可以设置"),
            }),
            None => Ok(Self { confined: true, ..self }),
        }
    }

    /// Whether visitors can subscribe to mails from its server and sender.
    pub fn serves_visitors(&self) -> bool {
        self.kind == ChannelKind::Mail && self.settings.get(SUBSCRIPTIONS) == Some("yes")
    }

    /// The server and the sender of this channel, for the mailbox of a visitor alone. No outcome shows the mailbox. `None` when the
    /// channel does not serve visitors.
    pub fn for_visitor(&self, mailbox: &Mailbox) -> Option<Self> {
        let settings = self.settings.with("to", mailbox.address());
        self.serves_visitors().then_some(Self { settings, is_private: true, ..self.clone() })
    }

    /// Its kind.
    pub fn kind(&self) -> ChannelKind {
        self.kind
    }

    /// Its settings, secrets included.
    pub fn settings(&self) -> &BTreeMap<String, String> {
        self.settings.all()
    }

    /// What may be shown of its settings: secrets are left out, but for the scheme and host of a URL.
    pub fn shown(&self) -> BTreeMap<String, String> {
        let shown = |field: &Field| {
            let value = self.settings.get(field.name)?;
            match field.format {
                _ if !field.secret => Some(value.to_owned()),
                Format::Url => Url::parse(value).ok().map(|url| format!("{}/…", url.origin().ascii_serialization())),
                _ => None,
            }
        };
        self.kind.fields().iter().filter_map(|field| Some((field.name.to_owned(), shown(field)?))).collect()
    }

    /// Whether the address policy applies to it.
    pub(crate) fn is_confined(&self) -> bool {
        self.confined
    }

    /// Its proxy.
    pub(crate) fn proxy(&self) -> Option<&str> {
        self.settings.get("proxy").map(str::trim)
    }

    /// What is sent for `message` at this time.
    ///
    /// # Errors
    ///
    /// The refusal, if the message cannot be put into words, such as by a template.
    pub fn request(&self, message: &Message, now: DateTime<Utc>) -> Result<Outgoing, Outcome> {
        (self.kind.spec().request)(&self.settings, message, now).map_err(|why| self.redacted(Outcome::refused(why)))
    }

    /// What the answer of the service means.
    pub fn verdict(&self, answer: &Answer) -> Outcome {
        self.redacted((self.kind.spec().verdict)(answer))
    }

    /// The outcome without secrets of this channel, which services repeat in answers.
    pub(crate) fn redacted(&self, outcome: Outcome) -> Outcome {
        outcome.map_why(|why| {
            // Cut afterwards, so that no beginning of a secret is left at the end.
            let why = layout::clean(&redaction::redact(&why, &self.secrets()));
            layout::cut(&why, |c, out| out.push(c), layout::characters, Outcome::LONGEST_WHY)
        })
    }

    fn secrets(&self) -> Vec<String> {
        let secret = self.kind.fields().iter().filter(|field| field.secret);
        let recipient = self.settings.get("to").filter(|_| self.is_private);
        let recipient = recipient.into_iter().flat_map(|to| [to.to_owned(), to.to_ascii_lowercase()]);
        // A server may say the part before the @ alone.
        let recipient = recipient.flat_map(|to| [to.split('@').next().unwrap_or_default().to_owned(), to]);
        let of_fields = secret.filter_map(|field| self.settings.get(field.name)).flat_map(redaction::parts);
        let mut all: Vec<String> = of_fields.chain(recipient.flat_map(|part| redaction::parts(&part))).collect();
        all.sort_by_key(|part| std::cmp::Reverse(part.len()));
        all
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("kind", &self.kind).field("settings", &self.shown()).finish_non_exhaustive()
    }
}
