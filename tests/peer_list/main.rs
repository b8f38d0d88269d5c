//! Lists of peers in all forms.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

mod documents;
mod forms;
mod meaning;
mod properties;
mod types;

use easytier_probe::{
    Origin, Peer,
    peer_list::{Entry, ListProblem, UnknownSchemes, parse, peers, read},
};

/// The peers of a list in which all are valid.
#[track_caller]
fn valid(text: &str) -> Vec<Peer> {
    let (peers, refused) = peers(entries(text), Origin::Local, UnknownSchemes::Kept);
    assert!(refused.is_empty(), "{text}: {refused:?}");
    peers
}

/// The URLs of a list in which all peers are valid.
#[track_caller]
fn urls(text: &str) -> Vec<String> {
    valid(text).iter().map(|peer| peer.url.full()).collect()
}

/// The problems with the peers of a list, with their places, when no peer of an unknown scheme may be in it.
#[track_caller]
fn problems(text: &str) -> Vec<String> {
    peers(entries(text), Origin::Local, UnknownSchemes::Refused).1.iter().map(ToString::to_string).collect()
}

/// What is wrong with a list as a whole.
#[track_caller]
fn problem(text: &str) -> ListProblem {
    read(text.as_bytes()).map(|entries| entries.len()).expect_err(text)
}

#[track_caller]
fn entries(text: &str) -> Vec<Entry> {
    parse(text).unwrap_or_else(|problem| panic!("{text} is {problem}"))
}
