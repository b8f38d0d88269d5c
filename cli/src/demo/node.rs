//! A real EasyTier node in a process of this program.

use std::process::Stdio;

use anyhow::{Context, bail};
use easytier_probe::PeerUrl;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
};

/// A node process. It ends when it is stopped or dropped. If this process is killed, the node ends too, because the pipe to
/// its standard input is closed.
pub struct Node {
    child: Child,
    url: PeerUrl,
}

impl Node {
    /// Starts a node that listens at `listen`, and waits until it does.
    pub async fn start(name: &str, listen: &str) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find the executable of this program")?;
        let mut child = Command::new(program)
            .args(["node", "--exit-with-stdin", "--hostname", name, "--listen", listen])
            // The caller's network is not that of the demo.
            .env_remove("NETWORK_SECRET")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start node {name}"))?;
        let stdout = child.stdout.take().context("standard output of the node is not a pipe")?;
        let mut stderr = child.stderr.take().context("stderr of the node is not a pipe")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).await?;
        let Some(url) = line.trim_end().strip_prefix("listening on ") else {
            let mut why = String::new();
            stderr.read_to_string(&mut why).await?;
            bail!("node {name} did not start: {}", why.trim_end());
        };
        let url = url.parse().with_context(|| format!("node {name} listens at '{url}'"))?;
        // An unread pipe would block the node once it is full.
        tokio::spawn(async move { tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await });
        Ok(Self { child, url })
    }

    pub fn url(&self) -> &PeerUrl {
        &self.url
    }

    /// Stops the node and waits until it has ended.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        let status = self.child.wait().await?;
        if !status.success() {
            bail!("the node at {} ended with {status}", self.url);
        }
        Ok(())
    }
}
