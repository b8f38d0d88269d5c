//! A server with releases of the program, laid out as those of the project.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use tempfile::TempDir;

use crate::{program::PROGRAM, tool};

/// The machines that a release has a program for.
pub const TARGETS: [&str; 4] =
    ["aarch64-apple-darwin", "aarch64-unknown-linux-musl", "x86_64-apple-darwin", "x86_64-unknown-linux-musl"];

/// What the server answers to the request for a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Whole,
    /// Half of it, and the end of the connection.
    CutOff,
    /// Half of it, and nothing more.
    Stalled,
}

type Answers = Arc<Mutex<HashMap<String, Answer>>>;

pub struct Releases {
    /// What `EASYTIER_UPTIME_RELEASES` is set to.
    pub url: String,
    folder: TempDir,
    answers: Answers,
}

impl Releases {
    pub fn serve() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let releases = Self { url, folder: tempfile::tempdir().unwrap(), answers: Answers::default() };
        let (folder, answers) = (releases.folder.path().to_owned(), releases.answers.clone());
        thread::spawn(move || {
            // Until the end of the test's process; connections that stall stay open.
            let mut stalled = Vec::new();
            for stream in listener.incoming() {
                stalled.extend(respond(stream.unwrap(), &folder, &answers));
            }
        });
        releases
    }

    /// Publishes a release for all targets, which is the latest one then. Its program is the one under test.
    pub fn publish(&self, version: &str) {
        for target in TARGETS {
            self.pack(version, target, &format!("#!/bin/sh\n# {version} {target}\nexec '{PROGRAM}' \"$@\"\n"));
        }
        self.sum(version);
    }

    /// Replaces the program of a release for this target.
    pub fn pack(&self, version: &str, target: &str, program: &str) {
        let name = format!("easytier-uptime-{version}-{target}");
        let (work, folder) = (tempfile::tempdir().unwrap(), self.folder_of(version));
        fs::create_dir_all(work.path().join(&name)).unwrap();
        fs::create_dir_all(&folder).unwrap();
        let file = work.path().join(&name).join("easytier-uptime");
        fs::write(&file, program).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let archive = folder.join(format!("{name}.tar.gz"));
        tool::assert_silent(
            Command::new("tar").current_dir(work.path()).arg("-czf").args([&archive, Path::new(&name)]),
        );
    }

    /// Writes the checksums of a release, and makes it the latest one.
    pub fn sum(&self, version: &str) {
        let folder = self.folder_of(version);
        let sums = tool::output(Command::new("sh").current_dir(&folder).args(["-c", "sha256sum -- *.tar.gz"])).stdout;
        fs::write(folder.join("SHA256SUMS"), &sums).unwrap();
        let latest = self.folder.path().join("latest/download");
        fs::create_dir_all(&latest).unwrap();
        fs::write(latest.join("SHA256SUMS"), &sums).unwrap();
    }

    /// The folder of the files of a release.
    pub fn folder_of(&self, version: &str) -> PathBuf {
        self.folder.path().join(format!("download/v{version}"))
    }

    /// What the next request for this file is answered with.
    pub fn answer(&self, file: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(file.to_owned(), answer);
    }

    /// Whether nothing that [`Self::answer`] announced remains.
    pub fn has_answered(&self) -> bool {
        self.answers.lock().unwrap().is_empty()
    }
}

/// Responds to one request. Returns the connection if it stalls.
fn respond(mut stream: TcpStream, folder: &Path, answers: &Answers) -> Option<TcpStream> {
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let request = lines.next()?;
    let path = request.split(' ').nth(1)?.trim_start_matches('/').to_owned();
    lines.find(String::is_empty)?;
    let Ok(content) = fs::read(folder.join(&path)) else {
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        return None;
    };
    let answer = answers.lock().unwrap().remove(path.rsplit('/').next()?).unwrap_or(Answer::Whole);
    let sent = if answer == Answer::Whole { &content } else { &content[..content.len() / 2] };
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", content.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(sent));
    (answer == Answer::Stalled).then_some(stream)
}
