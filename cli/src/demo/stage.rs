//! The setup of the demo: three nodes, a hub that lists them, and the probes that check them.

use std::time::Duration;

use anyhow::Context;
use easytier_probe::{AddressPolicy, CheckOptions, Checker};

use super::{
    hub::DemoHub,
    node::Node,
    probe::{DemoProbe, REGIONS},
};

pub const CAROL: &str = "carol";

/// The names of the nodes, and the URLs they listen at; port 0 is any free port.
const NODES: [(&str, &str); 3] =
    [("alice", "tcp://127.0.0.1:0"), ("bob", "udp://127.0.0.1:0"), (CAROL, "tcp://127.0.0.1:0")];

/// A node of the demo.
pub struct Member {
    pub name: &'static str,
    pub url: String,
    /// `None` while it is stopped.
    node: Option<Node>,
}

impl Member {
    pub fn is_up(&self) -> bool {
        self.node.is_some()
    }
}

pub struct Stage {
    pub members: Vec<Member>,
    pub hub: DemoHub,
    /// The probe without added latency is the first.
    pub probes: Vec<DemoProbe>,
}

impl Stage {
    /// Starts the nodes, adds them to `hub`, and makes probes that check them every `interval`.
    pub async fn set_up(mut hub: DemoHub, interval: Duration) -> anyhow::Result<Self> {
        let mut members = Vec::new();
        for (name, listen) in NODES {
            let node = Node::start(name, listen).await?;
            let url = node.url().to_string();
            hub.add_peer(name, &url).await?;
            members.push(Member { name, url, node: Some(node) });
        }
        // All nodes have loopback addresses, which a backend may not name by default.
        let checker = Checker::new(CheckOptions { addresses: AddressPolicy::ANY, ..CheckOptions::default() });
        let mut probes = Vec::new();
        for region in REGIONS {
            let token = hub.node_token(region.name).await?;
            probes.push(DemoProbe::new(region, hub.base_url(), token, checker.clone(), interval)?);
        }
        Ok(Self { members, hub, probes })
    }

    pub async fn stop_carol(&mut self) -> anyhow::Result<()> {
        match self.carol()?.node.take() {
            Some(node) => node.stop().await,
            None => Ok(()),
        }
    }

    /// Starts the node again at the same URL.
    pub async fn start_carol(&mut self) -> anyhow::Result<()> {
        let carol = self.carol()?;
        let node = Node::start(carol.name, &carol.url).await;
        carol.node = Some(node.context("a stopped node could not be started again")?);
        Ok(())
    }

    /// Stops all nodes and waits until they have ended.
    pub async fn tear_down(self) -> anyhow::Result<()> {
        for node in self.members.into_iter().filter_map(|member| member.node) {
            node.stop().await?;
        }
        Ok(())
    }

    fn carol(&mut self) -> anyhow::Result<&mut Member> {
        self.members.iter_mut().find(|member| member.name == CAROL).context("there is no such node")
    }
}
