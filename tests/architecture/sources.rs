//! The files of the repository that people write and maintain.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Folders with tests or generated files.
const SKIPPED: [&str; 5] = ["fixtures", "node_modules", "target", "tests", "vendor"];

/// The extensions of files that are not source code.
const NOT_SOURCE: [&str; 7] = ["ico", "json", "lock", "md", "png", "svg", "txt"];

/// The source files below `folder`, except tests.
pub fn outside_tests(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if !name.starts_with('.') && !SKIPPED.contains(&name) {
                files.extend(outside_tests(&path));
            }
        } else if name != "tests.rs"
            && !NOT_SOURCE.iter().any(|ending| path.extension().is_some_and(|own| own == *ending))
        {
            files.push(path);
        }
    }
    files.sort();
    files
}
