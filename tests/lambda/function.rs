//! The function in a sandbox: the built binary, its environment and its log.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use serde_json::Value;
use tokio::time::timeout;

use crate::runtime::{Deadline, Outcome, Runtime};

const NAME: &str = "easytier-uptime-lambda";

/// The time of an invocation in tests where it does not matter.
pub const LONG: Duration = Duration::from_secs(60);

/// The variables that Lambda sets for every function.
const OF_LAMBDA: [(&str, &str); 7] = [
    ("AWS_LAMBDA_FUNCTION_NAME", "uptime"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "the-secret-access-key-3f1c"),
    ("AWS_SESSION_TOKEN", "the-session-token-91ab"),
];

/// One sandbox with the function in it; killed when dropped.
pub struct Function {
    pub runtime: Runtime,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
    /// The working directory, which is empty.
    _folder: tempfile::TempDir,
}

impl Function {
    /// Starts the function with these variables besides Lambda's.
    pub async fn start<V: AsRef<str>>(variables: impl IntoIterator<Item = (&'static str, V)>) -> Self {
        let runtime = Runtime::start().await;
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(program());
        command.env_clear().envs(OF_LAMBDA).env("AWS_LAMBDA_RUNTIME_API", runtime.address.to_string());
        for (name, value) in variables {
            command.env(name, value.as_ref());
        }
        command.current_dir(&folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the function starts");
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let stdout = child.stdout.take().expect("piped");
        let stderr = child.stderr.take().expect("piped");
        let readers = vec![read_lines(stdout, &lines), read_lines(stderr, &lines)];
        Self { runtime, child, lines, readers, _folder: folder }
    }

    /// Invokes the function with plenty of time.
    pub async fn invoke(&mut self, event: Value) -> Outcome {
        self.invoke_until(event.to_string(), Deadline::In(LONG)).await
    }

    /// The response to an invocation, which must succeed.
    pub async fn answer(&mut self, event: Value) -> Value {
        match self.invoke(event).await {
            Outcome::Answer(answer) => serde_json::from_str(&answer).expect("the answer is JSON"),
            Outcome::Error(error) => panic!("the invocation failed: {error}\n{}", self.log()),
        }
    }

    /// The response to an invocation with this much time, which must succeed.
    pub async fn answer_within(&mut self, event: Value, time: Duration) -> Value {
        match self.invoke_until(event.to_string(), Deadline::In(time)).await {
            Outcome::Answer(answer) => serde_json::from_str(&answer).expect("the answer is JSON"),
            Outcome::Error(error) => panic!("the invocation failed: {error}\n{}", self.log()),
        }
    }

    /// The error of an invocation, which must fail.
    pub async fn error(&mut self, event: Value) -> String {
        match self.invoke(event).await {
            Outcome::Error(error) => error,
            Outcome::Answer(answer) => panic!("the invocation succeeded: {answer}\n{}", self.log()),
        }
    }

    /// Invokes the function with any text. As at the service, it must respond before its deadline.
    pub async fn invoke_until(&mut self, event: String, deadline: Deadline) -> Outcome {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let id = format!("request-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let outcome = self.runtime.give(&id, event, deadline);
        let time = match deadline {
            Deadline::In(time) => time,
            Deadline::At(_) => LONG,
        };
        match timeout(time, outcome).await {
            Ok(outcome) => outcome.expect("the runtime API serves"),
            Err(_) => panic!("the time of the invocation is over ({:?})\n{}", self.child.try_wait(), self.log()),
        }
    }

    /// Kills the function, as the service does after the deadline.
    pub fn kill(&mut self) {
        self.child.kill().expect("the function can be killed");
        self.child.wait().expect("the function has ended");
    }

    /// Ends the function and returns its log.
    pub fn end(mut self) -> Vec<String> {
        self.kill();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        std::mem::take(&mut self.lines.lock().unwrap())
    }

    /// The log so far, for messages.
    fn log(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The function. Tests of another package run the one that cargo built beside their own program.
fn program() -> PathBuf {
    let beside = || option_env!("CARGO_BIN_EXE_easytier-uptime").map(|other| Path::new(other).with_file_name(NAME));
    let own = option_env!("CARGO_BIN_EXE_easytier-uptime-lambda").map(PathBuf::from);
    own.or_else(beside).expect("cargo names the programs of a package to its tests")
}

fn read_lines(from: impl Read + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let lines = lines.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            lines.lock().unwrap().push(line);
        }
    })
}
