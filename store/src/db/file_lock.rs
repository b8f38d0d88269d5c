//! The lock by which one process alone serves a SQLite file.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    sync::LazyLock,
};

use uuid::Uuid;

use crate::{
    error::StoreError,
    refusal::{InUse, PROGRAM, Refusal},
};

/// Tells this process from others: ids of processes are the same in different containers.
static PROCESS: LazyLock<Uuid> = LazyLock::new(Uuid::new_v4);

/// Held by a hub or daemon as long as it uses its SQLite file. The system releases it when the process ends, however it ends.
///
/// The lock is on a file of its own beside the database: closing any other handle to the database would drop the locks
/// that SQLite holds in this process. That file stays when the lock is released, because removing it could remove the lock
/// of another process.
#[derive(Debug)]
pub(crate) struct FileLock(File);

impl FileLock {
    /// Takes the lock of a SQLite file, which need not exist yet.
    ///
    /// # Errors
    ///
    /// [`Refusal::InUse`] if another process has it, [`StoreError::File`] if there can be no such lock.
    pub fn acquire(database: &Path) -> Result<Self, StoreError> {
        let path = lock_path(database);
        let failed = |source| StoreError::File { path: path.display().to_string(), source };
        let mut file = open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let noted = read(&mut file).unwrap_or_default();
                let (holder, process) = noted.split_once('\n').unwrap_or_default();
                let holder = (!holder.is_empty()).then(|| holder.to_owned());
                let is_this_process = process.trim() == PROCESS.to_string();
                return Err(Refusal::InUse(InUse { lock: path, holder, is_this_process }).into());
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        note_holder(&mut file).map_err(failed)?;
        Ok(Self(file))
    }

    /// Releases the lock while the handle is still there.
    pub fn release(&self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the lock of the database is released only when this process ends");
        }
    }
}

/// The same for all links to a file.
fn lock_path(database: &Path) -> PathBuf {
    let real = database.canonicalize().or_else(|_| {
        let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).canonicalize()?;
        Ok::<_, io::Error>(database.file_name().map_or_else(|| folder.clone(), |name| folder.join(name)))
    });
    let mut name = real.unwrap_or_else(|_| database.to_owned()).into_os_string();
    name.push(".lock");
    name.into()
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn read(file: &mut File) -> io::Result<String> {
    let mut noted = String::new();
    file.take(4096).read_to_string(&mut noted)?;
    Ok(noted)
}

fn note_holder(file: &mut File) -> io::Result<()> {
    let (process, host) = (std::process::id(), gethostname::gethostname());
    file.set_len(0)?;
    file.rewind()?;
    let host = host.to_string_lossy();
    write!(file, "process {process} on host '{host}' (easytier-uptime {PROGRAM})\n{}\n", *PROCESS)
}

/// The file system of a path, if it is one that other machines share.
#[cfg(target_os = "linux")]
#[allow(clippy::useless_conversion, reason = "the number is narrower on other architectures")]
pub(crate) fn network_file_system(path: &Path) -> Option<&'static str> {
    // f_type, see statfs(2).
    const SHARED: [(i64, &str); 6] = [
        (0x6969, "NFS"),
        (0xff53_4d42, "CIFS"),
        (0xfe53_4d42, "SMB"),
        (0x517b, "SMB"),
        (0x00c3_6400, "Ceph"),
        (0x0102_1997, "9P"),
    ];
    let kind = i64::from(rustix::fs::statfs(path).ok()?.f_type);
    SHARED.iter().find(|(known, _)| *known == kind).map(|(_, name)| *name)
}

/// The file system of a path, if it is one that other machines share; not known on this system.
#[cfg(not(target_os = "linux"))]
pub(crate) fn network_file_system(_: &Path) -> Option<&'static str> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_once_and_names_its_holder_until_it_is_released() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("uptime.db");
        let lock = FileLock::acquire(&database).unwrap();
        let Err(StoreError::Refused(Refusal::InUse(refused))) = FileLock::acquire(&database) else {
            panic!("it is held")
        };
        let words = refused.to_string();
        let process = format!("process {} on host '", std::process::id());
        assert!(words.starts_with(&process) && words.contains("uptime.db.lock'"), "{words}");
        assert!(refused.is_this_process);

        lock.release();
        let again = FileLock::acquire(&database).unwrap();
        drop(again);
        FileLock::acquire(&database).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_the_database_has_the_same_lock() {
        let folder = tempfile::tempdir().unwrap();
        let (database, link) = (folder.path().join("uptime.db"), folder.path().join("link.db"));
        File::create(&database).unwrap();
        std::os::unix::fs::symlink(&database, &link).unwrap();
        let _lock = FileLock::acquire(&database).unwrap();
        assert!(matches!(FileLock::acquire(&link), Err(StoreError::Refused(Refusal::InUse(_)))));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn file_systems_of_this_machine_are_not_shared() {
        assert_eq!(network_file_system(Path::new("/proc")), None);
        assert_eq!(network_file_system(Path::new("/no/such/folder")), None);
    }
}
