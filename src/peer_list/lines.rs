//! URLs, one or several a line.

use super::{at_most, entry::Entry, place::Place, problem::ListProblem};

/// What people put around a URL.
const AROUND: [char; 5] = ['"', '\'', '`', '<', '>'];

/// Reads a text line by line. `#` begins a comment, at the start of a line or after a space.
pub(super) fn read(text: &str, max: usize) -> Result<Vec<Entry>, ListProblem> {
    let lines = (1..).zip(text.lines()).map(|(number, line)| (number, without_comment(line)));
    let of_line = |(number, line)| urls(line).into_iter().map(move |url| Entry::of_url(Place::line(number), &url));
    at_most(lines.flat_map(of_line), max)
}

/// The lines of a text that are neither empty nor comments.
pub(super) fn significant(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| without_comment(line).trim()).filter(|line| !line.is_empty())
}

fn without_comment(line: &str) -> &str {
    let begins = |(at, _): &(usize, &str)| line[..*at].chars().next_back().is_none_or(char::is_whitespace);
    line.match_indices('#').find(begins).map_or(line, |(at, _)| &line[..at])
}

/// The URLs in a text: between spaces, commas and the commas of Chinese. A comma inside a URL is left there: what follows
/// one is a URL only if it has a scheme. Quotes and brackets around a URL, as in code and in mails, are left out.
pub(super) fn urls(text: &str) -> Vec<String> {
    let mut urls = Vec::new();
    for word in text.split(|c: char| c.is_whitespace() || "，、；".contains(c)) {
        let mut in_word: Vec<String> = Vec::new();
        for part in word.split(',').filter(|part| !part.is_empty()) {
            match in_word.last_mut() {
                Some(url) if !part.contains("://") => url.extend([",", part]),
                _ => in_word.push(part.to_owned()),
            }
        }
        urls.extend(in_word.iter().map(|url| url.trim_matches(AROUND).to_owned()).filter(|url| !url.is_empty()));
    }
    urls
}
