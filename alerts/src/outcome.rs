//! What became of an attempt to send a message.

use std::time::Duration;

/// What became of an attempt to send a message. A `why` is one line without secrets of the channel, at most
/// [`Outcome::LONGEST_WHY`] characters long, and may quote an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The service took it.
    Delivered,
    /// It did not arrive; it may later.
    Retry {
        /// The pause that the service asked for, at most a day.
        after: Option<Duration>,
        /// What prevented it.
        why: String,
    },
    /// The service will never take it as it is, or the channel is set up wrongly.
    Refused {
        /// What the service objects to.
        why: String,
    },
    /// It may have arrived: the request was sent, and no answer that tells came back.
    Unclear {
        /// What came in place of an answer.
        why: String,
    },
}

impl Outcome {
    /// The longest explanation, in characters.
    pub const LONGEST_WHY: usize = 200;
}
