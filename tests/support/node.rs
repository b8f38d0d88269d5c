//! Real EasyTier nodes: child processes of `easytier-uptime node`.

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use easytier_probe::{Access, Membership, Peer, PeerUrl, Scheme};

/// A node that runs until dropped. It also ends with this process, because its standard input is closed then.
pub struct Node {
    child: Child,
    /// How often something panicked in it, for which EasyTier's own program ends.
    panics: Arc<AtomicUsize>,
    urls: Vec<PeerUrl>,
    options: NodeOptions,
}

/// How to start a node.
#[derive(Clone)]
pub struct NodeOptions {
    pub listen: Vec<String>,
    pub network_name: String,
    pub network_secret: String,
    pub hostname: Option<String>,
    pub relay_whitelist: Option<String>,
    /// Other networks are admitted, but only those of the whitelist may send data through the node.
    pub relay_all_peer_rpc: bool,
    /// Whether data within the node's own network is encrypted.
    pub encryption: bool,
}

impl NodeOptions {
    /// A node with a network of its own that listens on free loopback ports, one for each scheme.
    pub fn listening_on(schemes: &[Scheme]) -> Self {
        Self {
            listen: schemes.iter().map(|scheme| format!("{scheme}://127.0.0.1:0")).collect(),
            network_name: "test-network".to_owned(),
            network_secret: "test-secret".to_owned(),
            hostname: Some("test-node".to_owned()),
            relay_whitelist: None,
            relay_all_peer_rpc: false,
            encryption: true,
        }
    }

    /// Starts the node and waits until it listens.
    pub fn start(self, easytier_uptime: &str) -> Node {
        let mut command = Command::new(easytier_uptime);
        command.arg("node").arg("--exit-with-stdin");
        for url in &self.listen {
            command.args(["--listen", url]);
        }
        command.args(["--network-name", &self.network_name, "--network-secret", &self.network_secret]);
        if let Some(hostname) = &self.hostname {
            command.args(["--hostname", hostname]);
        }
        if let Some(whitelist) = &self.relay_whitelist {
            command.args(["--relay-whitelist", whitelist]);
        }
        if self.relay_all_peer_rpc {
            command.arg("--relay-all-peer-rpc");
        }
        if !self.encryption {
            command.arg("--disable-encryption");
        }
        // The environment of the test must not affect the node.
        command.env_remove("NETWORK_SECRET");
        Node::launch(command, self).0
    }
}

impl Node {
    /// Runs `command`, a node with `options`, and waits until it listens. Returns also what it prints next.
    pub(super) fn launch(mut command: Command, options: NodeOptions) -> (Self, BufReader<ChildStdout>) {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the node starts");
        let panics = Arc::new(AtomicUsize::new(0));
        let (stderr, counted) = (child.stderr.take().expect("piped"), panics.clone());
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                counted.fetch_add(usize::from(line.contains("panicked at")), Relaxed);
                eprintln!("{line}");
            }
        });
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("the node prints its URLs");
        let urls = line.trim().strip_prefix("listening on ").expect("the node listens").split(' ');
        let urls = urls.map(|url| url.parse().expect("a peer URL")).collect();
        (Self { child, panics, urls, options }, stdout)
    }

    /// The node's standard input, which ends the node when it is dropped.
    pub(super) fn take_stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("piped, and taken once")
    }

    /// How often something panicked in it so far.
    pub fn panics(&self) -> usize {
        self.panics.load(Relaxed)
    }

    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    pub fn options(&self) -> &NodeOptions {
        &self.options
    }

    /// The URL at which the node listens by `scheme`.
    pub fn url(&self, scheme: Scheme) -> PeerUrl {
        self.urls.iter().find(|url| url.scheme() == Some(scheme)).expect("the node listens by this scheme").clone()
    }

    /// The node as a peer checked by a stranger.
    pub fn as_guest(&self, scheme: Scheme) -> Peer {
        Peer::local(1, self.url(scheme))
    }

    /// The node as a peer checked by a member of its network.
    pub fn as_member(&self, scheme: Scheme) -> Peer {
        let NodeOptions { network_name, network_secret, .. } = &self.options;
        self.as_member_of(scheme, network_name, network_secret)
    }

    /// The node as a peer checked by a member of another network.
    pub fn as_member_of(&self, scheme: Scheme, network_name: &str, network_secret: &str) -> Peer {
        let membership =
            Membership { network_name: network_name.to_owned(), network_secret: network_secret.to_owned().into() };
        Peer { access: Access::Member(membership), ..self.as_guest(scheme) }
    }

    /// Suspends the process: connections stay open, but nothing answers once this returns. A signal reaches the threads of
    /// a process one after the other.
    pub fn freeze(&self) {
        self.signal("STOP");
        while !self.all_threads_are_stopped() {
            std::thread::yield_now();
        }
    }

    fn all_threads_are_stopped(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("the node runs");
        threads.flatten().all(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            // The state follows the name, which is in parentheses.
            stat.rsplit(") ").next().is_none_or(|rest| rest.starts_with('T'))
        })
    }

    /// Resumes a frozen node.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// Kills the node; its ports are closed when this returns. It can be started again at the same ones.
    pub fn stop(mut self) -> NodeOptions {
        self.kill();
        NodeOptions { listen: self.urls.iter().map(PeerUrl::to_string).collect(), ..self.options.clone() }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}
