//! The `node` command: it prints the URLs of its listeners, and ends when it is stopped.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

use std::{
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpListener, UdpSocket},
    process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

/// A running node. It ends when the value is dropped, because the pipe to its stdin is closed.
struct Node {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: ChildStderr,
}

impl Node {
    fn start(listeners: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_easytier-uptime"))
            .args(["node", "--exit-with-stdin", "--listen"])
            .args(listeners)
            .env_remove("NETWORK_SECRET")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = child.stderr.take().unwrap();
        Self { child, stdout, stderr }
    }

    /// Waits for the line and returns its URLs.
    fn urls(&mut self) -> Vec<String> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        let urls = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("unexpected line {line:?}"));
        urls.trim_end().split(' ').map(str::to_owned).collect()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end. Returns the exit status, standard output and stderr.
    fn ended(mut self) -> (ExitStatus, String, String) {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.stdout.read_to_string(&mut stdout).unwrap();
        self.stderr.read_to_string(&mut stderr).unwrap();
        (self.child.wait().unwrap(), stdout, stderr)
    }
}

fn address(url: &str) -> SocketAddr {
    url.split_once("://").unwrap().1.parse().unwrap()
}

#[test]
fn prints_the_actual_urls_of_all_listeners_in_order() {
    let requested = [
        "quic://127.0.0.1:0",
        "tcp://127.0.0.1:0",
        "udp://127.0.0.1:0",
        "ws://127.0.0.1:0",
        "wss://[::1]:0",
        "wg://[::1]:0",
    ];
    let mut node = Node::start(&requested);
    let urls = node.urls();

    assert_eq!(urls.len(), requested.len());
    for (url, requested) in urls.iter().zip(requested) {
        assert!(url.starts_with(requested.strip_suffix('0').unwrap()), "{url} for {requested}");
        let address = address(url);
        let taken = if url.starts_with("tcp") || url.starts_with("ws") {
            TcpListener::bind(address).is_err()
        } else {
            UdpSocket::bind(address).is_err()
        };
        assert!(taken, "nothing listens at {url}");
    }
}

#[test]
fn ends_when_stdin_ends() {
    let mut node = Node::start(&["tcp://127.0.0.1:0"]);
    node.urls();
    drop(node.child.stdin.take());
    let (status, stdout, _) = node.ended();
    assert_eq!(status.code(), Some(0));
    assert_eq!(stdout, "", "only one line is printed");
}

#[test]
fn sigterm_and_ctrl_c_end_a_node_with_success() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut node = Node::start(&["udp://127.0.0.1:0"]);
        node.urls();
        node.signal(signal);
        let (status, ..) = node.ended();
        assert_eq!(status.code(), Some(0), "{signal:?}");
    }
}

#[test]
fn several_nodes_run_on_one_machine() {
    let mut nodes: Vec<Node> =
        (0..4).map(|_| Node::start(&["tcp://127.0.0.1:0", "udp://127.0.0.1:0", "wg://127.0.0.1:0"])).collect();
    let mut urls: Vec<String> = nodes.iter_mut().flat_map(Node::urls).collect();
    urls.sort();
    urls.dedup();
    assert_eq!(urls.len(), 12);
}

#[test]
fn a_port_in_use_is_named() {
    let (tcp, udp) = (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    for scheme in ["tcp", "ws", "wss", "udp", "wg", "quic"] {
        let address = match scheme {
            "tcp" | "ws" | "wss" => tcp.local_addr().unwrap(),
            _ => udp.local_addr().unwrap(),
        };
        let url = format!("{scheme}://{address}");
        let (status, stdout, stderr) = Node::start(&[&url]).ended();
        assert_eq!(status.code(), Some(2), "{scheme}: {stderr}");
        assert_eq!(stdout, "");
        assert!(stderr.contains(&format!("cannot listen at {url}: the port is in use")), "{stderr}");
    }
}

/// With udp, EasyTier itself would share the port with the other node, and each would get some of the packets.
#[test]
fn a_port_of_another_node_is_in_use() {
    for scheme in ["tcp", "udp", "wg", "quic"] {
        let mut first = Node::start(&[&format!("{scheme}://127.0.0.1:0")]);
        let url = first.urls().remove(0);
        let (status, _, stderr) = Node::start(&[&url]).ended();
        assert_eq!(status.code(), Some(2), "{scheme}");
        assert!(stderr.contains(&url), "{stderr}");
    }
}

#[test]
fn two_listeners_that_exclude_each_other_are_found() {
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (status, _, stderr) = Node::start(&[&format!("tcp://{address}"), &format!("ws://{address}")]).ended();
    assert_eq!(status.code(), Some(2));
    assert!(stderr.contains(&format!("cannot listen at ws://{address}")), "{stderr}");
}
