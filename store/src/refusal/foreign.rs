//! Recognises files and databases of other programs, for the message that refuses them.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::Path,
};

/// How many names of tables a message lists.
const LISTED_TABLES: usize = 5;

/// Tables by which a program is recognised; the first that has all of its tables counts.
const PROGRAMS: &[(&str, &[&str])] = &[
    ("EasyTier's own uptime monitor (easytier-contrib/easytier-uptime)", &["shared_nodes", "health_records"]),
    ("EasyTier's web console (easytier-web)", &["users", "user_running_network_configs"]),
    ("Uptime Kuma", &["monitor", "heartbeat"]),
    ("Gatus", &["endpoints", "endpoint_results"]),
    ("Statping", &["services", "hits", "checkins"]),
    ("Grafana", &["dashboard", "data_source"]),
];

/// The first bytes of other kinds of files.
const SIGNATURES: &[(&str, &[u8])] = &[
    ("a PostgreSQL dump in the custom format of pg_dump", b"PGDMP"),
    ("a compressed file (gzip)", b"\x1f\x8b"),
    ("a compressed file (zstd)", b"\x28\xb5\x2f\xfd"),
    ("a compressed file (xz)", b"\xfd7zXZ"),
    ("a ZIP archive", b"PK\x03\x04"),
    ("a program", b"\x7fELF"),
];

/// A file or database that another program made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Foreign {
    /// A file that is not a SQLite database, and what it seems to be.
    NotSqlite(&'static str),
    /// A database with tables, none of which this program made.
    Tables {
        /// The program that seems to have made them.
        program: Option<&'static str>,
        /// Their names, sorted.
        tables: Vec<String>,
    },
}

impl Foreign {
    /// Recognises a file that SQLite cannot read.
    pub(crate) fn of_file(path: &Path) -> io::Result<Self> {
        let mut start = Vec::new();
        File::open(path)?.take(4096).read_to_end(&mut start)?;
        Ok(Self::NotSqlite(kind_of(&start)))
    }

    pub(crate) fn of_tables(mut tables: Vec<String>) -> Self {
        tables.sort();
        let has = |name: &&str| tables.iter().any(|table| table == name);
        let program = PROGRAMS.iter().find(|(_, theirs)| theirs.iter().all(has));
        Self::Tables { program: program.map(|(name, _)| *name), tables }
    }
}

fn kind_of(start: &[u8]) -> &'static str {
    if let Some((kind, _)) = SIGNATURES.iter().find(|(_, signature)| start.starts_with(signature)) {
        return kind;
    }
    // The last character may be cut off.
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&start[..error.valid_up_to()]).unwrap_or(""),
        Err(_) => "",
    };
    if text.is_empty() || text.contains('\0') {
        "a damaged or encrypted database, or a file of another kind"
    } else if text.contains("PostgreSQL database dump") {
        "a PostgreSQL dump in plain SQL"
    } else if text.contains("BEGIN TRANSACTION;") && text.contains("CREATE TABLE") {
        "a dump of a SQLite database in plain SQL"
    } else if text.trim().len() == 64 && text.trim().bytes().all(|byte| byte.is_ascii_hexdigit()) {
        "a hub key"
    } else {
        "a text file"
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = match self {
            Self::NotSqlite(kind) => return write!(f, "it is not a SQLite database; it seems to be {kind}"),
            Self::Tables { program, tables } => {
                match program {
                    Some(program) => write!(f, "it seems to belong to {program}")?,
                    None => write!(f, "it belongs to another program")?,
                }
                tables
            }
        };
        write!(f, ": it has the tables {}", tables[..tables.len().min(LISTED_TABLES)].join(", "))?;
        match tables.len().saturating_sub(LISTED_TABLES) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_kinds_are_recognised() {
        let key = format!("{}\n", "5e".repeat(32));
        for (start, kind) in [
            (&b"PGDMP\x01\x0e"[..], "a PostgreSQL dump in the custom format of pg_dump"),
            (b"--\n-- PostgreSQL database dump\n--\n", "a PostgreSQL dump in plain SQL"),
            (
                b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE t (a);",
                "a dump of a SQLite database in plain SQL",
            ),
            (b"\x1f\x8b\x08\0", "a compressed file (gzip)"),
            (key.as_bytes(), "a hub key"),
            ("tcp://192.0.2.1:11010 \u{e9}".as_bytes(), "a text file"),
            ("cut off: \u{e9}".as_bytes().split_last().unwrap().1, "a text file"),
            (b"\x00\x01\x02", "a damaged or encrypted database, or a file of another kind"),
            (b"\xff\xfe", "a damaged or encrypted database, or a file of another kind"),
        ] {
            assert_eq!(kind_of(start), kind, "{start:?}");
        }
    }

    #[test]
    fn a_message_names_the_program_and_some_tables() {
        let of = |tables: &[&str]| Foreign::of_tables(tables.iter().map(|&name| name.into()).collect()).to_string();
        assert_eq!(of(&["notes"]), "it belongs to another program: it has the tables notes");
        assert_eq!(
            of(&["user", "tag", "monitor", "setting", "heartbeat", "group", "proxy"]),
            "it seems to belong to Uptime Kuma: it has the tables group, heartbeat, monitor, proxy, setting and 2 more"
        );
    }
}
