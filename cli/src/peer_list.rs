//! Lists of peers that are named on the command line.

use std::{
    io::{self, Read},
    path::Path,
};

use clap::Args;
use easytier_probe::{
    Origin, Peer,
    peer_list::{self, Entry, UnknownSchemes},
    peer_url::without_secrets,
    remote_list::{self, ListBounds},
};

use crate::{
    print::{self, count},
    runtime,
    text::printable,
};

/// How much of a list at a URL is taken: also of one with a hundred thousand peers, as a site shows them.
const BOUNDS: ListBounds = ListBounds { bytes: 256 << 20, entries: usize::MAX };

/// What becomes of peers in lists that are not valid.
#[derive(Debug, Clone, Copy, Args)]
pub struct InvalidPeers {
    /// Leave out peers of lists that are not valid, with a warning that names them, instead of checking nothing
    #[arg(long)]
    pub skip_invalid: bool,
}

/// Reads the entries of a list: in a file, at a URL, or on standard input (`-`).
///
/// # Errors
///
/// Names the list, and says why it is none.
pub fn entries(path: &Path) -> Result<Vec<Entry>, String> {
    if let Some(url) = url_in(path) {
        let runtime = runtime::single_threaded().map_err(|error| error.to_string())?;
        return runtime.block_on(remote_list::fetch(url, BOUNDS)).map_err(|error| printable(&error.to_string()));
    }
    let name = name_of(path);
    let mut bytes = Vec::new();
    let read =
        if path == Path::new("-") { io::stdin().read_to_end(&mut bytes).map(|_| bytes) } else { std::fs::read(path) };
    let bytes = read.map_err(|error| format!("cannot read {name}: {error}"))?;
    peer_list::read(&bytes).map_err(|problem| format!("{name} is {problem}"))
}

/// The URL that the path of a list is, if it is no file.
pub fn url_in(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| remote_list::is_url(text))
}

/// Reads the peers of a list: in a file, at a URL, or on standard input (`-`). Those that are not valid are left out with a
/// warning, if they may be. To those of a URL, which others choose, the address policy applies.
///
/// # Errors
///
/// Names the list and all mistakes in it.
pub fn read(path: &Path, unknown: UnknownSchemes, invalid: InvalidPeers) -> Result<Vec<Peer>, String> {
    let origin = if url_in(path).is_some() { Origin::Remote } else { Origin::Local };
    valid(entries(path)?, origin, unknown, invalid)
        .map_err(|problems| format!("{}:\n{}", name_of(path), indent(&problems)))
}

/// The peers of entries. Those that are not valid are left out with a warning, if they may be.
///
/// # Errors
///
/// All problems, one a line.
pub fn valid(
    entries: Vec<Entry>,
    origin: Origin,
    unknown: UnknownSchemes,
    invalid: InvalidPeers,
) -> Result<Vec<Peer>, String> {
    let total = entries.len();
    // What may be left out is left out as well when a check could only say that it cannot be checked.
    let unknown = if invalid.skip_invalid { UnknownSchemes::Refused } else { unknown };
    let (peers, refused) = peer_list::peers(entries, origin, unknown);
    let problems: Vec<String> = refused.iter().map(|refused| printable(&refused.to_string())).collect();
    match (problems.is_empty(), invalid.skip_invalid) {
        (true, _) => {}
        (false, true) => warn_of_skipped(total - peers.len(), &problems),
        (false, false) => return Err(problems.join("\n")),
    }
    Ok(peers)
}

/// The entries of URLs that an argument holds, the first of which is the URL with this number, from 1. It is its id too.
pub fn typed(text: &str, first: usize) -> Vec<Entry> {
    let mut entries = peer_list::typed(text, first);
    for (number, entry) in (first..).zip(&mut entries) {
        if let Ok(listed) = &mut entry.peer {
            listed.id = i64::try_from(number).ok();
        }
    }
    entries
}

/// Warns of peers that are left out.
pub fn warn_of_skipped(skipped: usize, problems: &[String]) {
    print::note(format_args!("warning: skipped {}:\n{}", count(skipped, "peer"), indent(&problems.join("\n"))));
}

fn name_of(path: &Path) -> String {
    match url_in(path) {
        Some(url) => format!("'{}'", without_secrets(url)),
        None if path == Path::new("-") => "standard input".to_owned(),
        None => format!("'{}'", path.display()),
    }
}

/// Indents each line by two spaces.
pub fn indent(lines: &str) -> String {
    lines.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
