//! The command line of an EasyTier node or of its container, as guides and forums have them.

use std::net::SocketAddr;

use super::{at_most, entry::Entry, lines, place::Place, problem::ListProblem};

/// The programs with which such a command line begins.
const PROGRAMS: [&str; 7] = ["docker", "podman", "nerdctl", "sudo", "easytier-core", "easytier-core.exe", "easytier"];

/// The options of EasyTier whose values are peers.
const OPTIONS: [&str; 4] = ["--peers", "--external-node", PEER, NODE_OR_VARIABLE];

/// A peer; to docker, ports that it publishes.
const PEER: &str = "-p";

/// A peer, in older versions of EasyTier; to docker, a variable.
const NODE_OR_VARIABLE: &str = "-e";

/// The variables of EasyTier that hold peers.
const VARIABLES: [&str; 2] = ["ET_PEERS=", "ET_EXTERNAL_NODE="];

/// Reads a text that begins with one of the programs, with an option for peers, or with a variable.
pub(super) fn read(text: &str, max: usize) -> Option<Result<Vec<Entry>, ListProblem>> {
    let line = lines::significant(text).next()?;
    let first = line.split_whitespace().find(|word| *word != "$")?;
    let program = first.rsplit(['/', '\\']).next().unwrap_or_default();
    let begins = PROGRAMS.contains(&program) || option(first).is_some() || variable(first).is_some();
    begins.then(|| peers(&shlex::split(text).ok_or(ListProblem::OpenQuote)?, max))
}

fn peers(words: &[String], max: usize) -> Result<Vec<Entry>, ListProblem> {
    let mut urls = Vec::new();
    // The option that takes words, and whether it has none yet. It takes all up to the next option.
    let mut taking = None;
    for word in words {
        if let Some(list) = variable(word) {
            urls.extend(lines::urls(list));
            continue;
        }
        let (option, value, is_first) = match (option(word), taking) {
            (Some((option, "")), _) => {
                taking = Some((option, true));
                continue;
            }
            (Some((option, value)), _) => (option, value, true),
            (None, Some((option, is_first))) if !word.starts_with('-') => (option, word.as_str(), is_first),
            (None, _) => {
                taking = None;
                continue;
            }
        };
        taking = Some((option, false));
        if is_meant(option, value, is_first) {
            urls.extend(lines::urls(value));
        }
    }
    at_most((1..).zip(urls).map(|(number, url)| Entry::of_url(Place::peer(number), &url)), max)
}

/// The option for peers that a word is, and the value in the same word.
fn option(word: &str) -> Option<(&'static str, &str)> {
    OPTIONS.iter().find_map(|option| {
        let rest = word.strip_prefix(option)?;
        match rest.strip_prefix('=') {
            Some(value) => Some((*option, value)),
            None => (rest.is_empty() || !option.starts_with("--")).then_some((*option, rest)),
        }
    })
}

/// The list in a word that sets one of the variables.
fn variable(word: &str) -> Option<&str> {
    let word = ["--env=", NODE_OR_VARIABLE].iter().find_map(|option| word.strip_prefix(option)).unwrap_or(word);
    VARIABLES.iter().find_map(|name| word.strip_prefix(name))
}

/// Whether a word after an option is meant as peers. Docker publishes ports by `-p 11010:11010/udp` and sets variables by
/// `-e SITE=https://example.net`; and the name of an image may follow its options.
fn is_meant(option: &str, value: &str, is_first: bool) -> bool {
    let (before, is_url) = value.split_once("://").map_or((value, false), |(scheme, _)| (scheme, true));
    match option {
        NODE_OR_VARIABLE => is_url && !before.contains('='),
        PEER => is_url || (is_first && !publishes_ports(value)),
        _ => is_url || is_first,
    }
}

fn publishes_ports(value: &str) -> bool {
    let ports = ["/tcp", "/udp", "/sctp"].iter().find_map(|protocol| value.strip_suffix(protocol)).unwrap_or(value);
    ports.chars().all(|c| c.is_ascii_digit() || ".:-[]".contains(c)) && ports.parse::<SocketAddr>().is_err()
}
