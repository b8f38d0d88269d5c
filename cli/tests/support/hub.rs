//! Runs commands and a hub as processes.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_easytier-uptime");

/// Reads again until the value is as wanted, for a minute at most: lists are a second or two behind the database. Returns the
/// last value.
pub fn eventually<T>(read: impl Fn() -> T, is_wanted: impl Fn(&T) -> bool) -> T {
    let begun = Instant::now();
    loop {
        let value = read();
        if is_wanted(&value) || begun.elapsed() > Duration::from_secs(60) {
            return value;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// A command in `folder`, with nothing in its environment but `variables`.
pub fn command(folder: &Path, args: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(args).current_dir(folder).env_clear().envs(variables.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub fn run(folder: &Path, args: &[&str]) -> Output {
    run_with(folder, args, &[], "")
}

pub fn run_with(folder: &Path, args: &[&str], variables: &[(&str, &str)], stdin: &str) -> Output {
    let mut child = command(folder, args, variables).spawn().unwrap();
    // The command may end before it reads its input.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The standard output of a successful command.
#[track_caller]
pub fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// A hub in a folder, which runs until it is dropped. Its log is shown when the test fails.
pub struct Hub {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// Lines of its log. They are read continuously, so that the hub never blocks on a full pipe.
    log: mpsc::Receiver<String>,
    pub url: String,
}

impl Hub {
    pub fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    pub fn start_with(folder: &Path, variables: &[(&str, &str)]) -> Self {
        let variables: Vec<_> = [("SERVER_PORT", "0")].iter().chain(variables).copied().collect();
        Self::of(&mut command(folder, &["hub"], &variables))
    }

    /// The hub that this command starts.
    pub fn of(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (line, log) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|text| line.send(text)));
        let mut hub = Self { child, stdout, log, url: String::new() };
        let mut first = String::new();
        hub.stdout.read_line(&mut first).unwrap();
        let url = first.strip_prefix("listening on ").unwrap_or_else(|| panic!("unexpected first line {first:?}"));
        hub.url = url.trim_end().to_owned();
        hub
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Reads the log up to a line with these words.
    pub fn await_log(&mut self, words: &str) {
        while !self.log.recv().unwrap_or_else(|_| panic!("no {words:?} in the log")).contains(words) {}
    }

    /// Reads its standard output up to a line with these words, and returns those lines.
    pub fn await_printed(&mut self, words: &str) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        while lines.last().is_none_or(|line| !line.contains(words)) {
            let mut line = String::new();
            assert!(self.stdout.read_line(&mut line).unwrap() > 0, "no {words:?} in {lines:?}");
            lines.push(line.trim_end().to_owned());
        }
        lines
    }

    /// Waits for the end. Returns the exit status, the standard output after the first line, and the rest of the log.
    pub fn ended(mut self) -> (ExitStatus, String, String) {
        let mut stdout = String::new();
        self.stdout.read_to_string(&mut stdout).unwrap();
        let log: Vec<String> = self.log.iter().collect();
        (self.child.wait().unwrap(), stdout, log.join("\n"))
    }

    /// Stops it with a signal, and returns its standard output after the first line.
    #[track_caller]
    pub fn stop(self) -> String {
        self.signal(Signal::TERM);
        let (status, stdout, stderr) = self.ended();
        assert_eq!(status.code(), Some(0), "{stderr}");
        stdout
    }

    /// The response to a GET: its status and document.
    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        let (status, body) = self.text(path, headers);
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    /// The response to a POST of a document: its status and document.
    pub fn post(&self, path: &str, document: &Value) -> (u16, Value) {
        let headers = [("content-type", "application/json")];
        let (status, body) = self.send("POST", path, &headers, &document.to_string());
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    /// The response to a GET: its status and text.
    pub fn text(&self, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        self.send("GET", path, headers, "")
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.url.strip_prefix("http://").unwrap()).unwrap();
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }
}

impl Drop for Hub {
    /// Kills it, as kill -9 does.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let log: Vec<String> = self.log.iter().collect();
            eprintln!("log of the hub {}:\n{}", self.url, log.join("\n"));
        }
    }
}
