//! The machine's own configuration of name resolution, and whether it has changed.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use hickory_resolver::{
    Hosts,
    config::{ResolverConfig, ResolverOpts},
    net::NetError,
    system_conf::parse_resolv_conf,
};

/// Where a machine keeps the addresses of its name servers, and names of its own.
#[derive(Debug, Clone)]
pub(super) struct SystemFiles {
    pub resolv_conf: PathBuf,
    pub hosts: PathBuf,
}

impl Default for SystemFiles {
    fn default() -> Self {
        Self { resolv_conf: "/etc/resolv.conf".into(), hosts: "/etc/hosts".into() }
    }
}

impl SystemFiles {
    /// The state of the files. Another state means that they must be read again.
    pub(super) fn state(&self) -> FilesState {
        FilesState([&self.resolv_conf, &self.hosts].map(|path| FileState::of(path)))
    }

    /// The name servers and how to ask them.
    pub(super) fn name_servers(&self) -> Result<(ResolverConfig, ResolverOpts), NetError> {
        parse_resolv_conf(fs::read(&self.resolv_conf)?)
    }

    /// The machine's own names; none if the file is missing.
    pub(super) fn own_names(&self) -> io::Result<Hosts> {
        let mut hosts = Hosts::default();
        hosts.read_hosts_conf(fs::File::open(&self.hosts)?)?;
        Ok(hosts)
    }
}

/// The state of the files at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FilesState([Option<FileState>; 2]);

/// What changes when a file is written, or replaced by another: its inode, its size and its times.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileState {
    inode: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileState {
    /// `None` for a file that is missing.
    fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        Some(Self {
            inode: (file.dev(), file.ino()),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        })
    }
}
