//! The program as a user starts it: in a folder, with its settings in `.env`.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    task::JoinHandle,
};

use crate::{eventually, http};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_easytier-uptime");

/// A working directory with settings.
pub struct Folder {
    folder: TempDir,
    settings: Mutex<BTreeMap<String, String>>,
}

impl Folder {
    /// Settings with short intervals and any free port.
    pub fn new() -> Self {
        let folder = Self { folder: tempfile::tempdir().unwrap(), settings: Mutex::default() };
        folder.set(&[
            ("SERVER_PORT", "0"),
            ("ALLOW_LOCAL_PEERS", "true"),
            ("HEALTH_CHECK_INTERVAL", "500ms"),
            ("HEALTH_CHECK_TIMEOUT", "5s"),
            ("PEER_FETCH_INTERVAL", "1s"),
            ("STATUS_REPORT_INTERVAL", "1s"),
            ("FLAP_DAMPING", "1"),
        ]);
        folder
    }

    /// For the daemon `probe-1` of the backend at `url`.
    pub fn of_probe(url: &str, token: &str) -> Self {
        let folder = Self::new();
        folder.set(&[("BACKEND_BASE_URL", url), ("NODE_TOKEN", token), ("SERVER_ID", "probe-1")]);
        folder
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Waits until the results in the program's own database are in its history.
    pub async fn await_history(&self) {
        let path = self.settings.lock().unwrap().get("DATABASE_PATH").cloned();
        let file = self.file(path.as_deref().unwrap_or("uptime.db"));
        let mut database = SqliteConnectOptions::new().filename(file).read_only(true).connect().await.unwrap();
        eventually("all results in the history", async || {
            let waiting: i64 =
                sqlx::query_scalar("SELECT count(*) FROM appends").fetch_one(&mut database).await.unwrap();
            (waiting == 0).then_some(())
        })
        .await;
    }

    /// Changes settings; an empty value removes one.
    pub fn set(&self, settings: &[(&str, &str)]) {
        let mut all = self.settings.lock().unwrap();
        all.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        all.retain(|_, value| !value.is_empty());
        let lines = all.iter().map(|(name, value)| format!("{name}='{value}'\n"));
        fs::write(self.file(".env"), lines.collect::<String>()).unwrap();
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(args).current_dir(self.path()).env_clear().kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts the daemon and waits until it listens.
    pub async fn daemon(&self) -> Running {
        self.start(&["daemon"]).await
    }

    pub async fn start(&self, args: &[&str]) -> Running {
        Running::of(self.command(args)).await
    }

    /// Runs a command to its end, and returns its output.
    pub async fn run(&self, args: &[&str]) -> String {
        let output = self.command(args).output().await.unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that fails with exit code 2, and returns its error output.
    pub async fn refusal(&self, args: &[&str]) -> String {
        let output = self.command(args).output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]), "{said}");
        said
    }
}

/// The lines of an output stream so far.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn of(from: impl AsyncRead + Unpin + Send + 'static) -> (Self, JoinHandle<()>) {
        let lines = Self::default();
        let filled = lines.clone();
        let reader = tokio::spawn(async move {
            let mut from = BufReader::new(from).lines();
            while let Ok(Some(line)) = from.next_line().await {
                filled.0.lock().unwrap().push(line);
            }
        });
        (lines, reader)
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// A running program. It is killed when dropped.
pub struct Running {
    child: Child,
    /// The base URL, such as `http://127.0.0.1:4711`.
    pub url: String,
    printed: Lines,
    logged: Lines,
    readers: [JoinHandle<()>; 2],
}

impl Running {
    pub async fn of(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (printed, of_stdout) = Lines::of(child.stdout.take().unwrap());
        let (logged, of_stderr) = Lines::of(child.stderr.take().unwrap());
        let url = eventually("the first line", async || match printed.all().first() {
            Some(line) => Some(line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}")).to_owned()),
            None if of_stdout.is_finished() => panic!("the program ended: {}", logged.all().join("\n")),
            None => None,
        });
        let url = url.await;
        Self { child, url, printed, logged, readers: [of_stdout, of_stderr] }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.pid() as i32).unwrap(), signal).unwrap();
    }

    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// The lines printed so far.
    pub fn printed(&self) -> Vec<String> {
        self.printed.all()
    }

    /// The lines of the log that contain these words.
    pub fn log_with(&self, words: &str) -> Vec<String> {
        self.logged.all().into_iter().filter(|line| line.contains(words)).collect()
    }

    /// Waits for a line of the log that contains these words.
    pub async fn await_log(&self, words: &str) -> String {
        self.await_log_times(words, 1).await
    }

    /// Waits until that many lines of the log contain these words, and returns the last of them.
    pub async fn await_log_times(&self, words: &str, count: usize) -> String {
        eventually(&format!("{count} lines of the log with {words:?}"), async || {
            self.log_with(words).into_iter().nth(count - 1)
        })
        .await
    }

    /// Waits until the program ends; returns the exit status and the whole log.
    pub async fn ended(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().await.unwrap();
        for reader in self.readers {
            reader.await.unwrap();
        }
        (status, self.logged.all().join("\n"))
    }

    /// Stops the program with SIGTERM, and returns its log.
    pub async fn stop(self) -> String {
        self.signal(Signal::TERM);
        let (status, log) = self.ended().await;
        assert_eq!(status.code(), Some(0), "{log}");
        log
    }

    pub async fn kill(self) {
        self.signal(Signal::KILL);
        let (status, _) = self.ended().await;
        assert_eq!(status.code(), None);
    }

    /// Makes the program reload its configuration, and waits for a later line of the log that contains these words.
    pub async fn reload_until(&self, words: &str) -> String {
        const MARK: &str = "restarting with the new configuration";
        let before = self.log_with(MARK).len();
        self.signal(Signal::HUP);
        self.await_log_times(MARK, before + 1).await;
        eventually(&format!("{words:?} in the log after the configuration was read again"), async || {
            let lines = self.logged.all();
            let mark = lines.iter().rposition(|line| line.contains(MARK))?;
            lines[mark..].iter().find(|line| line.contains(words)).cloned()
        })
        .await
    }

    /// How many checks of a node are in the program's own history.
    pub async fn checks(&self, id: i64) -> u64 {
        http::checks(&self.url, id).await
    }

    pub async fn figure(&self, series: &str) -> f64 {
        http::figure(&self.url, &format!("easytier_uptime_probe_{series}")).await
    }
}
