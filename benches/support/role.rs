//! Child processes, and this binary in other roles as one.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdout, Command, Stdio},
};

/// A role that the binary of a bench plays for itself in a child process: its name, and what plays it.
pub type Role = (&'static str, fn(&[String]));

/// Plays a role if the command line, given without the program's name, asks for one of these.
pub fn play(roles: &[Role], arguments: &[String]) -> bool {
    let [flag, role, rest @ ..] = arguments else { return false };
    if flag != "--role" {
        return false;
    }
    let (_, play) = roles.iter().find(|(name, _)| name == role).expect("a known role");
    play(rest);
    true
}

/// A child process; it is killed when dropped.
pub struct Helper {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Helper {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, stdout }
    }

    /// This binary in another role.
    pub fn role(name: &str, arguments: &[String]) -> Self {
        let this = std::env::current_exe().expect("this binary has a path");
        Self::start(Command::new(this).args(["--role", name]).args(arguments))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line the process prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("readable");
        assert!(!line.is_empty(), "the helper process ended early");
        line.trim().to_owned()
    }

    /// Gives the process a line to read.
    pub fn tell(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().expect("piped"), "{line}").expect("the helper listens");
    }

    /// Tells the process to go on.
    pub fn go_on(&mut self) {
        self.tell("");
    }

    pub fn wait(mut self) {
        let _ = self.child.wait();
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In a role: says a line to the process that started this one.
pub fn say(line: impl std::fmt::Display) {
    println!("{line}");
    std::io::stdout().flush().expect("writable");
}

/// In a role: what it is told next; `None` when there will be nothing more.
pub fn told() -> Option<String> {
    let mut line = String::new();
    (std::io::stdin().read_line(&mut line).expect("readable") > 0).then(|| line.trim().to_owned())
}

/// In a role: waits until told to go on.
pub fn wait_to_go_on() {
    told();
}
