//! Lists of peers, in every form in which people and programs write them: the one reader of the command line, of hubs and of
//! the function.
//!
//! [`read`] knows the forms, one module each, and decides what an entry means. It is lenient in types and strict in
//! meaning: whatever is left out is named with its place, and a document that is only a part of a list is no list.

mod cell;
mod command_line;
mod csv_table;
mod encoding;
mod entry;
mod expected;
mod json_document;
mod lenient;
mod lines;
mod listed;
mod paging;
mod place;
mod problem;
mod syntax;
mod toml_document;

pub use self::{
    cell::as_text,
    entry::Entry,
    expected::Expected,
    listed::{ListedAccess, ListedPeer, TIMEOUTS},
    place::{Place, Unit},
    problem::{ListProblem, Part, PeerProblem, Refused},
    syntax::{JsonMistake, JsonMistakeKind, TomlMistake},
};
pub(crate) use self::{
    json_document::{Document, entries},
    paging::Paging,
};
use crate::{Origin, Peer};

/// Reads a text of at most so many entries if it is of one form; `None` if it is not.
type Form = fn(&str, usize) -> Option<Result<Vec<Entry>, ListProblem>>;

/// The forms that a text says to be of; one that says nothing is lines of URLs.
const FORMS: [Form; 5] = [web_page, toml_document::read, json_document::read, command_line::read, csv_table::read];

/// Reads a list of peers in UTF-8. Its form is one of:
///
/// - URLs, one a line, or several between commas or spaces; `#` begins a comment;
/// - TOML: a `[[peers]]` table for each peer, or an array `peers`, with the fields of [`ListedPeer`]; or an EasyTier
///   configuration, with its `[[peer]]` tables;
/// - JSON: an array of URLs and of objects with the fields of [`ListedPeer`], an export of a hub, a backend's response to
///   `GET /peers`, the list of the public API, of easytier-worker, of a status page of Uptime Kuma, or the announcement
///   of PCL-CE;
/// - CSV, whose first line names the columns after the fields;
/// - the command line of `easytier-core`, also in a container.
///
/// # Errors
///
/// If the list cannot be read, says itself that it is only a part, or hides all its addresses. Problems with single
/// peers are in their entries.
pub fn read(bytes: &[u8]) -> Result<Vec<Entry>, ListProblem> {
    parse(encoding::text(bytes)?)
}

/// As [`read`], for a list of others, which must not take much memory.
///
/// # Errors
///
/// As [`read`]; also [`ListProblem::TooLong`] if there are more than `max` entries.
pub fn read_at_most(bytes: &[u8], max: usize) -> Result<Vec<Entry>, ListProblem> {
    parse_at_most(encoding::text(bytes)?, max)
}

/// As [`read`], for a text.
///
/// # Errors
///
/// As [`read`].
pub fn parse(text: &str) -> Result<Vec<Entry>, ListProblem> {
    parse_at_most(text, usize::MAX)
}

fn parse_at_most(text: &str, max: usize) -> Result<Vec<Entry>, ListProblem> {
    let text = text.trim_start_matches('\u{feff}');
    let entries = FORMS.iter().find_map(|form| form(text, max)).unwrap_or_else(|| lines::read(text, max))?;
    not_hidden(entries)
}

/// Collects entries, unless there are more than `max`.
fn at_most(entries: impl Iterator<Item = Entry>, max: usize) -> Result<Vec<Entry>, ListProblem> {
    let list: Vec<Entry> = entries.take(max.saturating_add(1)).collect();
    if list.len() > max { Err(ListProblem::TooLong { max }) } else { Ok(list) }
}

/// Reads the URLs in a text that a person typed: one, or several between commas or spaces. `first` is the number of the
/// first of them in messages, from 1.
pub fn typed(text: &str, first: usize) -> Vec<Entry> {
    (first..).zip(lines::urls(text)).map(|(number, url)| Entry::of_url(Place::url(number), &url)).collect()
}

/// Refuses a list of several peers that hides the addresses of all: a problem for each would say no more.
pub(crate) fn not_hidden(entries: Vec<Entry>) -> Result<Vec<Entry>, ListProblem> {
    match entries.len() {
        count @ 2.. if entries.iter().all(Entry::hides_address) => Err(ListProblem::Hidden { count }),
        _ => Ok(entries),
    }
}

/// HTML or XML, which begins with a tag. People put URLs in angle brackets too.
fn web_page(text: &str, _: usize) -> Option<Result<Vec<Entry>, ListProblem>> {
    let tag = text.trim_start().strip_prefix('<')?;
    let is_url = tag.split(|c: char| c.is_whitespace() || c == '>').next().is_some_and(|word| word.contains("://"));
    (!is_url).then_some(Err(ListProblem::WebPage))
}

/// What becomes of peers of a scheme that this library does not speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownSchemes {
    /// They are peers: a check says that their protocol is not supported.
    Kept,
    /// They are refused, because nobody will ever check them.
    Refused,
}

/// The peers of a list, and all problems with the others, in the order of the list. The id of a peer without one is its
/// position in the list, from 1.
pub fn peers(entries: Vec<Entry>, origin: Origin, unknown: UnknownSchemes) -> (Vec<Peer>, Vec<Refused>) {
    let (mut peers, mut refused) = (Vec::with_capacity(entries.len()), Vec::new());
    for (position, Entry { place, peer }) in (1..).zip(entries) {
        let peer = peer.and_then(|listed| listed.into_peer(origin, Some(position)).map_err(|problem| vec![problem]));
        let peer = peer.and_then(|peer| match unknown {
            UnknownSchemes::Refused => peer.url.checkable().map(|()| peer).map_err(|error| vec![error.into()]),
            UnknownSchemes::Kept => Ok(peer),
        });
        match peer {
            Ok(peer) => peers.push(peer),
            Err(problems) => {
                refused.extend(problems.into_iter().map(|problem| Refused { place: place.clone(), problem }));
            }
        }
    }
    (peers, refused)
}
