//! Errors of the use cases, as types. Each front end translates them: the API into JSON, the pages into the reader's
//! language, the command line into a message.

use std::{borrow::Cow, time::Duration};

use easytier_probe::PeerUrlError;
use easytier_uptime_alerts::{ChannelError, QuietHoursError, RuleError};
use easytier_uptime_monitor::limit::LimitExceeded;
use easytier_uptime_store::{
    StoreError,
    domain::{LabelError, LiveSetting, ManageProblem, Region, ScheduleError},
};

/// A refusal or failure of a use case.
///
/// Its message is for the caller, in English, except that of [`Store`](Self::Store), which may be for the log only, see
/// [`StoreError`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// A field of the request is missing or not valid.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The caller, or all callers together, asked too often.
    #[error("too many requests; try again later")]
    RateLimited {
        /// When the next request is allowed.
        retry_after: Duration,
    },
    /// So many submissions wait for approval that no more are taken.
    #[error("too many nodes wait for approval; submit yours again later")]
    QueueFull {
        /// When to try again.
        retry_after: Duration,
    },
    /// The admin's password is wrong.
    #[error("the password is wrong")]
    WrongPassword,
    /// The texts of these settings are not valid; nothing was changed.
    #[error("not valid: {}", .0.iter().map(|setting| setting.name()).collect::<Vec<_>>().join(", "))]
    InvalidSettings(Vec<LiveSetting>),
    /// The password cannot be hashed: it is longer than Argon2 takes.
    #[error("the password cannot be hashed: {0}")]
    PasswordHash(#[from] argon2::password_hash::Error),
    /// The caller's token or key does not permit the request.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The link of a message cannot be used.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A probe cannot be managed, or not at this address.
    #[error("the probe cannot be managed: {0}")]
    Probe(#[from] ManageProblem),
    /// The store found no such row, found a conflict, or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<LimitExceeded> for ServiceError {
    fn from(LimitExceeded { retry_after }: LimitExceeded) -> Self {
        Self::RateLimited { retry_after }
    }
}

/// A field of a request that is missing or not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct FieldError {
    /// The field's name in the API and in the forms.
    pub field: Cow<'static, str>,
    /// What is wrong with its value.
    pub problem: FieldProblem,
}

impl FieldError {
    /// `field` has `problem`.
    pub fn new(field: impl Into<Cow<'static, str>>, problem: impl Into<FieldProblem>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}

/// What is wrong with the value of a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldProblem {
    /// The field is required.
    #[error("it is missing")]
    Missing,
    /// The text has no visible character.
    #[error("it is empty")]
    Empty,
    /// The text is longer than `max` characters.
    #[error("must have at most {max} characters")]
    TooLong {
        /// The maximum length in characters.
        max: usize,
    },
    /// The text is empty, longer than `max` characters, or has a control character.
    #[error("must have 1 to {max} characters")]
    NoName {
        /// The maximum length in characters.
        max: usize,
    },
    /// The number is greater than `max`.
    #[error("must be at most {max}")]
    TooLarge {
        /// The largest valid number.
        max: u32,
    },
    /// The number is not in the range.
    #[error("must be a whole number from {min} to {max}")]
    OutOfRange {
        /// The smallest valid number.
        min: u32,
        /// The largest valid number.
        max: u32,
    },
    /// The list has more than `max` items.
    #[error("must have at most {max} entries")]
    TooMany {
        /// The maximum number of items.
        max: usize,
    },
    /// The text is not a mail address.
    #[error("must be an email address")]
    NoMailAddress,
    /// The text is no token of a probe's control API.
    #[error("must be the CONTROL_TOKEN of the probe: at least 32 visible characters")]
    NoControlToken,
    /// The text is neither a host name nor an IP address.
    #[error("must be a host name or an IP address, without the port; write an international name in its xn-- form")]
    NoHost,
    /// The text is not a path of a URL.
    #[error("must be a path such as /easytier, in ASCII, without spaces, # and \\")]
    NoPath,
    /// Scheme, host and port do not make a valid URL of a peer.
    #[error(transparent)]
    Url(#[from] PeerUrlError),
    /// The text is not a tag or a region.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// A submission has no contact of the node's owner.
    #[error("at least one of qq_number, wechat and mail is needed")]
    NoContact,
    /// The value has another type than the field; the text names both.
    #[error("{0}")]
    Malformed(String),
    /// An enrollment key has neither a region nor the permission for any.
    #[error("name the region of the probes, or say that the key is for any region")]
    NoRegion,
    /// A maintenance window names no nodes.
    #[error("name nodes, tags or regions, or say that the window is for all nodes")]
    NothingCovered,
    /// The time of a maintenance window is not valid.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// The settings of a channel are not valid.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The rule of a channel cannot be followed.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// The quiet hours of a rule are not valid.
    #[error(transparent)]
    Quiet(#[from] QuietHoursError),
    /// The text is not a length of time.
    #[error("write a length of time such as 30s, 5m or 6h")]
    NoDuration,
    /// The text is not the URL of a list on a web server.
    #[error("must be an http or https URL")]
    NoWebAddress,
    /// The URL is that of this hub.
    #[error("this is the list of this hub itself")]
    OwnAddress,
    /// The text is not a time between two tries of a source.
    #[error("must be a length of time from 60s to 168h, such as 10m")]
    NoInterval,
    /// There is no kind of credential with this name.
    #[error("unknown kind")]
    UnknownKind,
}

/// Why the link of a message cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It was not made here, it was changed, or its message is gone.
    #[error("this link is not valid")]
    Wrong,
    /// It has ended.
    #[error("this link has expired")]
    Expired,
}

/// Why a token or key does not permit a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Forbidden {
    /// The node token is for another region than the one that the request names.
    #[error("the node token is for the region '{0}'")]
    TokenRegion(Region),
    /// The enrollment key is for another region than the one that the request names.
    #[error("the enrollment key is for the region '{0}'")]
    KeyRegion(Region),
    /// The node token is for another probe than the one that the request names.
    #[error("the node token is for another server_id")]
    ServerId,
}
