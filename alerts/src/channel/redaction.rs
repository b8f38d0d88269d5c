//! Takes secrets out of texts.

use percent_encoding::percent_decode_str;
use url::Url;

/// The shortest text that is taken for a secret, in bytes.
const SHORTEST: usize = 4;

/// What stands in the paths of services for everybody.
const PUBLIC: [&str; 12] = [
    "alerts",
    "cgi-bin",
    "hook",
    "hooks",
    "notify",
    "open-apis",
    "robot",
    "send",
    "services",
    "webhook",
    "webhooks",
    "Bearer",
];

/// What of a secret value may turn up in a text: all of it, and the parts of a URL or a header that may be secret themselves.
pub(super) fn parts(value: &str) -> Vec<String> {
    let mut parts = vec![value.trim().to_owned()];
    for line in value.lines() {
        parts.push(line.trim().to_owned());
        // The words of a header, but not those of a template's language.
        let header = line.split_once(':').filter(|(_, value)| !value.contains("{{"));
        parts.extend(header.into_iter().flat_map(|(_, value)| value.split_whitespace()).map(str::to_owned));
    }
    if let Ok(url) = Url::parse(value.trim()) {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let segments = url.path_segments().into_iter().flatten();
        parts.extend(segments.flat_map(|segment| [segment.to_owned(), decoded(segment)]));
        parts.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
        parts.extend(url.query().map(str::to_owned));
        parts.extend([decoded(url.username()), url.password().map(decoded).unwrap_or_default()]);
        parts.extend([url.path().to_owned(), url.to_string()]);
    }
    parts.retain(|part| part.len() >= SHORTEST && !PUBLIC.contains(&part.as_str()));
    // The longest first, so that no part of it is left.
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    parts
}

/// `text` without these parts.
pub(super) fn redact(text: &str, secrets: &[String]) -> String {
    let mut redacted = text.to_owned();
    for secret in secrets {
        if redacted.contains(secret.as_str()) {
            redacted = redacted.replace(secret.as_str(), "[redacted]");
        }
    }
    redacted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_redacted_with_its_parts() {
        let secrets = parts("https://user:pass%40word@hooks.example/services/T0AAAA/abcdefgh?key=12345678");
        for text in ["no service abcdefgh", "key 12345678", "/services/T0AAAA/abcdefgh", "pass@word", "T0AAAA"] {
            let redacted = redact(text, &secrets);
            assert!(redacted.contains("[redacted]"), "{redacted}");
            assert!(!["abcdefgh", "12345678", "pass@word", "T0AAAA"].iter().any(|part| redacted.contains(part)));
        }
        assert_eq!(redact("it answered 404 for hooks.example", &secrets), "it answered 404 for hooks.example");
    }

    #[test]
    fn a_header_is_redacted_but_not_the_words_of_a_template() {
        let secrets = parts("Authorization: Bearer abcdef\nX-Title: {{ title }}");
        assert_eq!(redact("Bearer abcdef has no title", &secrets), "Bearer [redacted] has no title");
    }
}
