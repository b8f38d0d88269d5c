//! Real nodes of EasyTier 2.6.4: child processes of `tools/easytier-node`. They can be asked what they know.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    ops::Deref,
    path::{Path, PathBuf},
    process::{ChildStdin, ChildStdout, Command},
    sync::Mutex,
};

use easytier_probe::Scheme;
use serde_json::{Map, Value, json};

use super::node::{Node, NodeOptions};

/// A [`Node`] of EasyTier 2.6.4.
pub struct CurrentNode {
    node: Node,
    dialogue: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    options: CurrentNodeOptions,
}

/// How to start a node of EasyTier 2.6.4.
#[derive(Clone)]
pub struct CurrentNodeOptions {
    pub node: NodeOptions,
    /// Members must speak by Noise.
    pub secure: bool,
    /// The table `flags` of easytier-core's configuration file, such as `private_mode` and `encryption_algorithm`.
    pub flags: Map<String, Value>,
    /// URLs of the nodes that it connects to.
    pub peers: Vec<String>,
}

impl CurrentNodeOptions {
    /// A node with a network of its own that listens on free loopback ports, one for each scheme.
    pub fn listening_on(schemes: &[Scheme]) -> Self {
        Self { node: NodeOptions::listening_on(schemes), secure: false, flags: Map::new(), peers: Vec::new() }
    }

    /// Sets one of the `flags`.
    pub fn flag(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.flags.insert(name.to_owned(), value.into());
        self
    }

    /// Starts the node and waits until it listens.
    pub fn start(self) -> CurrentNode {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in the target folder");
        let mut command = Command::new("python3");
        command.arg(tool()).arg(self.configuration().to_string()).env("CARGO_TARGET_DIR", target);
        let (mut node, stdout) = Node::launch(command, self.node.clone());
        let dialogue = Mutex::new((node.take_stdin(), stdout));
        CurrentNode { node, dialogue, options: self }
    }

    fn configuration(&self) -> Value {
        let Self { node, secure, flags, peers } = self;
        let mut configuration = json!({
            "listeners": node.listen,
            "peer": peers.iter().map(|url| json!({"uri": url})).collect::<Vec<_>>(),
            "network_identity": {"network_name": node.network_name, "network_secret": node.network_secret},
            "flags": {"relay_all_peer_rpc": node.relay_all_peer_rpc, "enable_encryption": node.encryption},
        });
        for (name, value) in flags {
            configuration["flags"][name] = value.clone();
        }
        if let Some(hostname) = &node.hostname {
            configuration["hostname"] = json!(hostname);
        }
        if let Some(whitelist) = &node.relay_whitelist {
            configuration["flags"]["relay_network_whitelist"] = json!(whitelist);
        }
        if *secure {
            configuration["secure_mode"] = json!({"enabled": true});
        }
        configuration
    }
}

impl CurrentNode {
    /// The names of the foreign networks that the node serves, or has not forgotten.
    pub fn foreign_networks(&self) -> Vec<String> {
        self.ask("foreign_networks").as_object().expect("a map by name").keys().cloned().collect()
    }

    /// The peers of the node's own network, as the node describes them.
    pub fn peers(&self) -> Vec<Value> {
        self.ask("peers").as_array().expect("a list").clone()
    }

    /// The node's answer to one of the questions of `tools/easytier-node`.
    pub fn ask(&self, question: &str) -> Value {
        let mut dialogue = self.dialogue.lock().expect("no other question failed");
        let (stdin, stdout) = &mut *dialogue;
        writeln!(stdin, "{question}").expect("the node runs");
        let mut answer = String::new();
        stdout.read_line(&mut answer).expect("the node answers");
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error} in the answer to {question}: {answer:?}"))
    }

    /// The memory that the node occupies.
    pub fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process_id())).expect("the node runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says it");
        line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
    }

    /// Kills the node; its ports are closed when this returns. It can be started again at the same ones.
    pub fn stop(self) -> CurrentNodeOptions {
        CurrentNodeOptions { node: self.node.stop(), ..self.options }
    }
}

impl Deref for CurrentNode {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

fn tool() -> PathBuf {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    folders
        .map(|folder| folder.join("tools/easytier-node"))
        .find(|tool| tool.is_file())
        .expect("it is in the repository")
}
