//! Text of strangers on one line, which does nothing where it is shown.

/// Keeps apart what services and programs would take for a mention or a link; it has no width. It is removed from texts that
/// contain it already.
pub const JOINER: char = '\u{2060}';

/// `text` on one line, with single spaces, and without characters that are not seen or that change the direction of what
/// follows.
pub fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !is_invisible(*c)) {
        match c.is_whitespace() || c.is_control() {
            true if cleaned.is_empty() || cleaned.ends_with(' ') => {}
            true => cleaned.push(' '),
            false => cleaned.push(c),
        }
    }
    cleaned.truncate(cleaned.trim_end().len());
    cleaned
}

/// Controls of direction, and characters without a glyph. Those that join emoji and letters of some scripts stay.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// [`clean`] text in which nothing is a mention, a link, a command or a hashtag for the services that look for such things in
/// plain text, because a [`JOINER`] breaks it. What is read is the same. Addresses and version numbers are left alone, so
/// that they can be copied.
pub fn inert(text: &str) -> String {
    let text = clean(text);
    let mut inert = String::with_capacity(text.len());
    let mut before = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        inert.push(c);
        if chars.peek().is_some_and(|after| begins(before, c, *after)) {
            inert.push(JOINER);
        }
        before = Some(c);
    }
    inert
}

/// Whether something that services act on may begin or go on at `c`.
fn begins(before: Option<char>, c: char, after: char) -> bool {
    let follows_text = before.is_some_and(char::is_alphanumeric);
    match c {
        // @all, <!channel>, <@id>, <a href>, #tag
        '@' | '＠' | '<' | '#' => after != ' ',
        // https://, mailto:, :emoji:
        ':' => after == '/' || (before.is_none_or(|c| c == ' ' || c.is_alphabetic()) && after.is_alphabetic()),
        // Commands of bots.
        '/' => !follows_text && before != Some('/') && after.is_alphabetic(),
        // Names of hosts.
        '.' => follows_text && after.is_alphabetic(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_put_on_one_line_without_what_is_not_seen() {
        assert_eq!(clean(" a\r\n\tb \u{1b}[0m\u{2028}c\0 "), "a b [0m c");
        assert_eq!(clean("pay\u{202e}gpj.exe\u{200b}\u{e0041}"), "paygpj.exe");
        assert_eq!(clean("👨\u{200d}👩 نمی\u{200c}خواهم"), "👨\u{200d}👩 نمی\u{200c}خواهم");
        assert_eq!(clean("\u{2066}\u{3164} "), "");
    }

    #[test]
    fn mentions_links_and_commands_are_broken() {
        for (text, broken) in [
            ("@everyone", "@|everyone"),
            ("<!channel>", "<|!channel>"),
            ("<at user_id=\"all\">", "<|at user_id=\"all\">"),
            ("https://a.example/x", "https:|//a.|example/x"),
            ("www.evil.com", "www.|evil.|com"),
            ("mailto:a@b.example", "mailto:|a@|b.|example"),
            ("/start now", "/|start now"),
            ("#urgent", "#|urgent"),
            (":smile:", ":|smile:"),
        ] {
            assert_eq!(inert(text), broken.replace('|', &JOINER.to_string()));
        }
    }

    #[test]
    fn addresses_versions_and_times_are_left_alone() {
        for text in
            ["192.0.2.7:11010", "[2001:db8::1]:80", "fe80::abcd", "2.6.4", "12:30", "a/b", "a @ b", "1.5 s.", "#"]
        {
            assert_eq!(inert(text), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_read_stays_the_same(text in "\\PC{0,80}") {
            prop_assert_eq!(inert(&text).replace(JOINER, ""), clean(&text));
            prop_assert_eq!(inert(&inert(&text)), inert(&text));
        }

        #[test]
        fn nothing_moves_to_another_line_or_direction(text in any::<String>()) {
            let inert = inert(&text);
            prop_assert!(!inert.chars().any(char::is_control), "{:?}", inert);
            prop_assert!(!inert.contains(['\u{202e}', '\u{2066}', '\u{2028}', '\u{2029}']), "{:?}", inert);
            prop_assert!(!inert.contains("://") && !inert.contains("<!") && !inert.contains("<@"), "{:?}", inert);
        }
    }
}
