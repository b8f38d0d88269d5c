//! The measured daemon: the real program in a child process.

use std::{
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{api::Api, backend::Backend, nodes::Helper};

/// How long the bench waits for all peers to be online.
const PATIENCE: Duration = Duration::from_secs(300);

pub struct Daemon {
    pub api: Api,
    process: Helper,
}

impl Daemon {
    /// Starts a daemon for the hub, with its history in `folder`.
    pub fn start(folder: &Path, backend: &Backend, interval: Duration) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_easytier-uptime"));
        command.arg("daemon").current_dir(folder).env_clear().stderr(Stdio::null()).envs([
            ("BACKEND_BASE_URL", backend.url.as_str()),
            ("NODE_TOKEN", &backend.token),
            ("SERVER_ID", "soak"),
            ("SERVER_PORT", "0"),
            ("ALLOW_LOCAL_PEERS", "true"),
            ("HEALTH_CHECK_INTERVAL", &interval.as_secs().to_string()),
            ("DATABASE_PATH", "daemon.db"),
        ]);
        let mut process = Helper::start(&mut command);
        let api = Api(process.line().replace("listening on http://", ""));
        Self { api, process }
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn online(&self) -> usize {
        self.api.figure("easytier_uptime_probe_peers_watched{status=\"online\"}") as usize
    }

    /// Waits until this number of peers is online.
    pub fn wait_until_online(&self, peers: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.online() < peers {
            assert!(Instant::now() < deadline, "{} of {peers} peers are online", self.online());
            sleep(Duration::from_secs(1));
        }
    }
}
