//! Files beside a database.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The file beside this one whose name ends with `end` too.
pub(super) fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the names of the files in a folder durable.
#[cfg(unix)]
pub(super) fn sync_folder(file: &Path) -> io::Result<()> {
    fs::File::open(folder_of(file))?.sync_all()
}

/// Makes the names of the files in a folder durable, which this system does by itself.
#[cfg(not(unix))]
pub(super) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Gives a file to the owner of another one, or else of its folder: commands are often run by root, and the hub is not. Who may
/// not do that owns the file anyway.
#[cfg(unix)]
pub(super) fn give_to_owner_of(other: &Path, file: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};

    let wanted = fs::metadata(other).or_else(|_| fs::metadata(folder_of(other)))?;
    let is = fs::metadata(file)?;
    if (is.uid(), is.gid()) == (wanted.uid(), wanted.gid()) || !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    chown(file, Some(wanted.uid()), Some(wanted.gid()))
}

/// Files of this system are not given to others.
#[cfg(not(unix))]
pub(super) fn give_to_owner_of(_: &Path, _: &Path) -> io::Result<()> {
    Ok(())
}
