//! Lists of peers that are named on the command line.

use std::{
    io::{self, Read},
    path::Path,
};

use easytier_probe::{Peer, peer_list};

/// Reads the list of peers in a file; `-` is standard input.
///
/// # Errors
///
/// Names the file and all mistakes in it.
pub fn read(path: &Path) -> Result<Vec<Peer>, String> {
    let (name, text) = if path == Path::new("-") {
        let mut text = String::new();
        ("standard input".to_owned(), io::stdin().read_to_string(&mut text).map(|_| text))
    } else {
        (format!("'{}'", path.display()), std::fs::read_to_string(path))
    };
    let text = text.map_err(|error| format!("cannot read {name}: {error}"))?;
    peer_list::parse(&text).map_err(|error| format!("{name}:\n{}", indent(&error.to_string())))
}

/// Indents each line by two spaces.
pub fn indent(lines: &str) -> String {
    lines.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
