//! How the services write what a message consists of.

use url::Url;

/// How a text is marked up.
pub struct Markup {
    /// Appends one character of a stranger's text.
    pub escape: fn(char, &mut String),
    /// Around the title where it stands above the text.
    pub strong: (&'static str, &'static str),
    /// Between two lines that belong together.
    pub line: &'static str,
    /// Between two paragraphs.
    pub paragraph: &'static str,
    /// Before each node.
    pub bullet: &'static str,
    /// A link with a label.
    pub link: fn(&str, &Url) -> String,
    /// The length of a text, as the service counts it.
    pub length: fn(&str) -> usize,
}

/// Text as it is.
pub const PLAIN: Markup = Markup {
    escape: |c, out| out.push(c),
    strong: ("", ""),
    line: "\n",
    paragraph: "\n\n",
    bullet: "• ",
    link: |label, url| format!("{label}: {url}"),
    length: str::len,
};

/// The HTML of Telegram, which knows no elements for lines.
pub const HTML_WITH_LINES: Markup = Markup {
    escape: html,
    strong: ("<b>", "</b>"),
    link: |label, url| format!("<a href=\"{}\">{label}</a>", escaped(html, url.as_str())),
    length: utf16,
    ..PLAIN
};

/// HTML.
pub const HTML: Markup = Markup { line: "<br>", paragraph: "<br><br>", length: str::len, ..HTML_WITH_LINES };

/// CommonMark, for readers that also take HTML.
pub const MARKDOWN: Markup = Markup {
    escape: markdown,
    strong: ("**", "**"),
    line: "\n\n",
    paragraph: "\n\n",
    bullet: "• ",
    link: markdown_link,
    length: str::len,
};

/// The Markdown of Discord, which knows no entities, but a backslash before any punctuation.
pub const DISCORD: Markup = Markup { escape: backslashed, line: "\n", paragraph: "\n\n", length: utf16, ..MARKDOWN };

/// The length of `text` in units of UTF-16, in which JavaScript counts.
pub fn utf16(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// The length of `text` in characters.
pub fn characters(text: &str) -> usize {
    text.chars().count()
}

/// The length of `text` in bytes, inside a JSON string.
pub fn json_bytes(text: &str) -> usize {
    text.chars()
        .map(|c| match c {
            '"' | '\\' | '\n' | '\r' | '\t' => 2,
            c if c.is_ascii_control() => 6,
            c => c.len_utf8(),
        })
        .sum()
}

/// `text` with each character escaped.
pub fn escaped(escape: fn(char, &mut String), text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| escape(c, &mut out));
    out
}

fn html(c: char, out: &mut String) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        c => out.push(c),
    }
}

fn markdown(c: char, out: &mut String) {
    if "\\`*_{}[]()#+-.!|~=".contains(c) {
        out.push('\\');
    }
    html(c, out);
}

fn backslashed(c: char, out: &mut String) {
    if c.is_ascii_punctuation() {
        out.push('\\');
    }
    out.push(c);
}

/// The parentheses of a URL would end the link.
fn markdown_link(label: &str, url: &Url) -> String {
    format!("[{label}]({})", url.as_str().replace('(', "%28").replace(')', "%29"))
}
