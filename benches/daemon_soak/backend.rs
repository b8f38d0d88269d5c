//! A real hub with the peers to watch.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use crate::nodes::Helper;

/// A hub in a separate process, with its URL and a token for a probe.
pub struct Backend {
    pub url: String,
    pub token: String,
    _process: Helper,
}

impl Backend {
    /// Starts a hub with its database in `folder` and `count` peers at the nodes. Each peer has its own address,
    /// because joins of one address are a second apart.
    pub fn start(folder: &Path, nodes: &[String], count: usize) -> Self {
        let list = folder.join("peers.txt");
        fs::write(&list, peers(nodes, count)).expect("writable");
        let mut process = Helper::start(&mut command(folder, &["--server-port", "0"]));
        let url = process.line().replace("listening on ", "");
        run(folder, &["peer", "import", list.to_str().expect("UTF-8")]);
        let token = run(folder, &["token", "create", "--name", "soak", "--server-id", "soak"]);
        Self { url, token, _process: process }
    }
}

/// The URLs of the peers, one per line.
fn peers(nodes: &[String], count: usize) -> String {
    let mut list = String::new();
    for index in 0..count {
        let port = nodes[index % nodes.len()].rsplit_once(':').expect("a URL with a port").1;
        let (third, fourth) = (index / 250, index % 250 + 1);
        writeln!(list, "tcp://127.1.{third}.{fourth}:{port}").expect("writing to a String succeeds");
    }
    list
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_easytier-uptime"));
    command.arg("hub").args(arguments).current_dir(folder).env_clear().env("DATABASE_PATH", "hub.db");
    command.env("RUST_LOG", "warn");
    command
}

/// Runs a command of the hub and returns its output.
fn run(folder: &Path, arguments: &[&str]) -> String {
    let output = command(folder, arguments).output().expect("the command starts");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
}
