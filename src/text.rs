//! Text for error messages.

use std::{error::Error, iter};

/// The error and its sources; the root cause is the last.
pub(crate) fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |error| (**error).source())
}

/// The text of the root cause, without that of the errors that wrap it.
pub(crate) fn root_cause(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

/// At most `max_chars` characters of `text`, and `…` if it was longer.
pub(crate) fn truncate(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `text` with a space in place of each control character, line breaks among them.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A URL without its query and fragment, which may hold a token.
pub(crate) fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// A URL without its query and fragment, and without anything before an `@`, which may be a password. It need not be a
/// valid URL.
pub fn without_secrets(url: &str) -> String {
    let url = without_query(url);
    match url.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('@') => format!("{scheme}://{}", after_credentials(rest)),
        _ => after_credentials(url).to_owned(),
    }
}

fn after_credentials(text: &str) -> &str {
    text.rsplit('@').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_truncated_at_a_character() {
        assert_eq!(truncate("été", 3), "été");
        assert_eq!(truncate("étés", 3), "été…");
        assert_eq!(truncate("", 0), "");
    }

    #[test]
    fn control_characters_become_spaces() {
        assert_eq!(one_line("a\r\nb\u{1b}[0m"), "a  b [0m");
    }

    #[test]
    fn a_url_loses_what_may_be_secret() {
        assert_eq!(without_query("http://h/p?t=1#f"), "http://h/p");
        assert_eq!(without_query("h"), "h");
        assert_eq!(without_secrets("https://u:p@h/p?t=1"), "https://h/p");
        assert_eq!(without_secrets("https://u:p/w@h"), "https://h");
        assert_eq!(without_secrets("u:p@h"), "h");
        assert_eq!(without_secrets("u:p@://h"), "://h");
        assert_eq!(without_secrets("tcp://h:1"), "tcp://h:1");
    }
}
