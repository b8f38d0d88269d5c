//! A sandbox: the function, and the runtime API that it requests invocations from.

use std::{
    fs::File,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    Variables,
    runtime::{Deadline, Outcome, Runtime},
};

/// Killed when dropped.
pub struct Sandbox {
    runtime: Runtime,
    child: Child,
    /// Its log.
    log: File,
}

impl Sandbox {
    /// The command that starts the function with these variables.
    pub fn command(variables: &Variables) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_easytier-uptime-lambda"));
        command.env_clear().envs(variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts the function and measures the time until it requests its first invocation.
    pub async fn start(mut command: Command) -> (Self, Duration) {
        let runtime = Runtime::start().await;
        let log = tempfile::tempfile().expect("a file");
        command
            .env("AWS_LAMBDA_RUNTIME_API", runtime.address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "bench")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_REGION", "us-east-1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"));
        let started = Instant::now();
        let child = command.spawn().expect("the function starts");
        runtime.asked().await;
        (Self { runtime, child, log }, started.elapsed())
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The size of its log so far, in bytes.
    pub fn logged(&self) -> u64 {
        self.log.metadata().expect("it is open").len()
    }

    pub async fn invoke(&self, event: Value) -> Value {
        let outcome = self.runtime.give("bench", event.to_string(), Deadline::In(Duration::from_secs(60)));
        match outcome.await.expect("the runtime API serves") {
            Outcome::Answer(answer) => serde_json::from_str(&answer).expect("the answer is JSON"),
            Outcome::Error(error) => panic!("{error}"),
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
