//! Text from strangers, made fit for messages.

use std::{error::Error, iter};

/// The longest part of a stranger's text in a message, in characters.
const MAX_QUOTE_CHARS: usize = 80;

/// The beginning of a text, short enough for a message.
pub(crate) fn truncate(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTE_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A URL without its query, where people put tokens; short enough for a message.
pub(crate) fn without_query(url: &str) -> String {
    truncate(url.split(['?', '#']).next().unwrap_or_default())
}

/// An error and the errors that caused it, the root cause last.
pub(crate) fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |error| (**error).source())
}

/// The message of an error's root cause.
pub(crate) fn root_cause(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}
