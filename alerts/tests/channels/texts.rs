//! Undoes what marks texts up, as strictly as the services do.

use serde_json::Value;

/// The text of HTML with these elements only. Everything else must be escaped.
pub fn html(html: &str, elements: &[&str]) -> Result<String, String> {
    let (mut text, mut open) = (String::new(), Vec::new());
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&', '>']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(tag) = rest.strip_prefix('<') {
            let (tag, after) = tag.split_once('>').ok_or("a tag is not closed")?;
            let name: String = tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
            if !elements.contains(&name.as_str()) {
                return Err(format!("there is an element {name}"));
            }
            match (tag.starts_with('/'), name.as_str()) {
                (_, "br") => text.push('\n'),
                (false, _) => open.push(name),
                (true, _) if open.pop().as_deref() == Some(&name) => {}
                (true, _) => return Err(format!("{name} ends where it did not begin")),
            }
            if let Some(attributes) = tag.strip_prefix("a ") {
                let url =
                    attributes.strip_prefix("href=\"").and_then(|rest| rest.strip_suffix('"')).ok_or("no href")?;
                if !url.starts_with("https://uptime.example/") || url.contains(['"', '<', '>']) {
                    return Err(format!("there is a link to {url}"));
                }
            }
            rest = after;
            continue;
        }
        let known = [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>'), ("&quot;", '"')];
        let Some((entity, c)) = known.into_iter().find(|(entity, _)| rest.starts_with(entity)) else {
            return Err("a character is not escaped".to_owned());
        };
        text.push(c);
        rest = &rest[entity.len()..];
    }
    if !open.is_empty() {
        return Err(format!("{open:?} does not end"));
    }
    Ok(text + rest)
}

/// The text of Markdown in which each punctuation has a backslash, but for links to the monitor.
pub fn backslashed(markdown: &str) -> Result<String, String> {
    unescaped(markdown, &mut |c| c.is_ascii_punctuation())
}

/// The text of Markdown that also takes HTML.
pub fn markdown(markdown: &str) -> Result<String, String> {
    let bold = markdown.strip_prefix("**").and_then(|rest| rest.split_once("**")).ok_or("the title is not bold")?;
    let text = unescaped(&format!("{}{}", bold.0, bold.1), &mut |c| "\\`*_{}[]()#+-.!|~=".contains(c))?;
    html(&text, &[])
}

fn unescaped(markdown: &str, special: &mut dyn FnMut(char) -> bool) -> Result<String, String> {
    let mut text = String::new();
    let mut rest = markdown;
    while let Some(c) = rest.chars().next() {
        if let Some((label, after)) = link(rest) {
            text.push_str(label);
            rest = after;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                let next = rest.chars().next().filter(char::is_ascii_punctuation).ok_or("an escape is cut")?;
                text.push(next);
                rest = &rest[next.len_utf8()..];
            }
            c if special(c) => return Err(format!("{c} is not escaped in {markdown}")),
            c => text.push(c),
        }
    }
    Ok(text)
}

/// A link that the monitor made: its label, and what follows it.
fn link(text: &str) -> Option<(&str, &str)> {
    let (label, rest) = text.strip_prefix('[')?.split_once("](https://uptime.example/")?;
    let (url, after) = rest.split_once(')')?;
    (!label.contains(['\\', '[', '<']) && !url.contains('(')).then_some((label, after))
}

/// All texts in a document, a line each.
pub fn all(json: &Value) -> String {
    match json {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(all).collect::<Vec<_>>().join("\n"),
        Value::Object(items) => items.values().map(all).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

/// What a reader sees holds nothing that a service or a program makes a link, a mention or a command, but for links to the
/// monitor; and nothing that moves other text.
#[track_caller]
pub fn assert_inert(seen: &str) {
    for line in seen.lines() {
        // A link in plain text stands behind its label.
        let line = ["Details: https://uptime.example/", "Acknowledge: https://uptime.example/"]
            .iter()
            .find_map(|label| line.strip_prefix(label))
            .map_or(line, |_| "");
        for active in
            ["://", "@everyone", "@here", "@all", "<!", "<@", "<at", "<a", "mailto:a", "www.e", " /start", "#tag"]
        {
            assert!(!line.contains(active), "{active} in {line}");
        }
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(!line.contains(['\u{202e}', '\u{2066}', '\u{200b}']), "{line:?}");
    }
    let read = seen.replace('\u{2060}', "");
    assert!(!read.lines().any(|line| line.starts_with("line two")), "a name has two lines: {read}");
    assert!(read.contains("节点🎉") || read.contains("@everyone"), "no name is left: {read}");
}
