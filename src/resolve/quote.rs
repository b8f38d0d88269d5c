//! Strangers' text in messages.

use crate::text::{truncate, without_query};

/// The longest part of a stranger's text in a message, in characters.
const MAX_QUOTE_CHARS: usize = 80;

/// The beginning of a text, short enough for a message.
pub(super) fn quote(text: &str) -> String {
    truncate(text, MAX_QUOTE_CHARS)
}

/// A URL without its query, where people put tokens, short enough for a message.
pub(super) fn quote_url(url: &str) -> String {
    quote(without_query(url))
}
