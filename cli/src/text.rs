//! Untrusted text, made safe for a terminal.

/// `text` without control characters, which act on the terminal, and without invisible characters, which can change the
/// direction of text. Names and versions of nodes are untrusted.
pub fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !is_invisible_format(*c)).collect()
}

/// Zero-width characters, and characters that change the direction of text.
fn is_invisible_format(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_lose_their_effect() {
        assert_eq!(printable("\x1b[2J\x1b]0;owned\x07node"), "[2J]0;ownednode");
        assert_eq!(printable("\u{9b}31mnode\r\n"), "31mnode");
        assert_eq!(printable("no\u{202e}de\u{200b}"), "node");
    }

    #[test]
    fn ordinary_text_stays() {
        assert_eq!(printable("上海 node-1 (é)"), "上海 node-1 (é)");
    }
}
