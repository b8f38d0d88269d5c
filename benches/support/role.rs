//! Child processes, some of which run this binary in another role.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdout, Command, Stdio},
};

/// A role of a bench's binary in a child process: its name and its function, which gets the remaining arguments.
pub type Role = (&'static str, fn(&[String]));

/// Plays a role if `arguments`, which lack the program's name, begin with `--role NAME`. Returns whether they do.
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

    /// Starts this binary in another role.
    pub fn role(name: &str, arguments: &[String]) -> Self {
        let this = std::env::current_exe().expect("this binary has a path");
        Self::start(Command::new(this).args(["--role", name]).args(arguments))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the next line that the process prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("readable");
        assert!(!line.is_empty(), "the helper process ended early");
        line.trim().to_owned()
    }

    /// Writes a line to the standard input of the process.
    pub fn tell(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().expect("piped"), "{line}").expect("the helper listens");
    }

    /// Lets a process continue that waits in [`wait_to_go_on`].
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

/// In a role: prints a line for the parent process.
pub fn say(line: impl std::fmt::Display) {
    println!("{line}");
    std::io::stdout().flush().expect("writable");
}

/// In a role: reads the next line from the parent process; `None` at the end of standard input.
pub fn told() -> Option<String> {
    let mut line = String::new();
    (std::io::stdin().read_line(&mut line).expect("readable") > 0).then(|| line.trim().to_owned())
}

/// In a role: waits until the parent process calls [`Helper::go_on`].
pub fn wait_to_go_on() {
    told();
}
