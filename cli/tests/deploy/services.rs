//! Running services, each in a separate process.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::program::PROGRAM;

/// Maximum time of a wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// A hub or a probe in its own folder, which runs until it is dropped.
pub struct Service {
    pub child: Child,
    pub url: String,
    pub folder: TempDir,
    variables: Vec<(String, String)>,
}

impl Service {
    /// Starts the program with only these variables, at a free port.
    pub fn start(args: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), args, variables)
    }

    /// The same in a given folder, which may contain a database.
    pub fn start_in(folder: TempDir, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut own =
            vec![("SERVER_HOST".to_owned(), "127.0.0.1".to_owned()), ("SERVER_PORT".to_owned(), "0".to_owned())];
        own.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(args).current_dir(folder.path()).env_clear().envs(own.iter().cloned());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some(url) = line.trim_end().strip_prefix("listening on ") else {
            panic!("{args:?} does not listen: {}", fs::read_to_string(folder.path().join("log")).unwrap())
        };
        Self { url: url.to_owned(), child, variables: own, folder }
    }

    /// The output of a command on the same database.
    #[track_caller]
    pub fn command(&self, args: &[&str]) -> String {
        let mut command = Command::new(PROGRAM);
        command.args(args).current_dir(self.folder.path()).env_clear().envs(self.variables.iter().cloned());
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// The response to a GET.
    pub fn get(&self, path: &str, header: &str) -> Value {
        let mut stream = TcpStream::connect(self.url.strip_prefix("http://").unwrap()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n{header}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap_or(Value::Null)
    }

    /// Stops it regularly and returns its folder.
    #[track_caller]
    pub fn stop(self) -> TempDir {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.ended_well()
    }

    #[track_caller]
    pub fn ended_well(mut self) -> TempDir {
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.log());
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until the condition holds.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "still not: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
