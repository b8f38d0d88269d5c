//! What the demo is played on: three nodes, a hub that has them watched, and the probes that watch them.

use std::time::Duration;

use anyhow::Context;
use easytier_probe::{AddressPolicy, CheckOptions, Checker};

use super::{
    hub::DemoHub,
    node::Node,
    probe::{DemoProbe, PLACES},
};

pub const CAROL: &str = "carol";

/// The nodes, by name, and where each listens. Ports are any that are free.
const NODES: [(&str, &str); 3] =
    [("alice", "tcp://127.0.0.1:0"), ("bob", "udp://127.0.0.1:0"), (CAROL, "tcp://127.0.0.1:0")];

/// A node of the cast.
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
    /// That of this machine first.
    pub probes: Vec<DemoProbe>,
}

impl Stage {
    /// Starts the nodes, has `hub` watch them, and sends out probes that do so every `interval`.
    pub async fn set(mut hub: DemoHub, interval: Duration) -> anyhow::Result<Self> {
        let mut members = Vec::new();
        for (name, listen) in NODES {
            let node = Node::start(name, listen).await?;
            let url = node.url().to_string();
            hub.watch(name, &url).await?;
            members.push(Member { name, url, node: Some(node) });
        }
        // Everything lies at loopback, where a backend may not usually send a probe.
        let checker = Checker::new(CheckOptions { addresses: AddressPolicy::ANY, ..CheckOptions::default() });
        let mut probes = Vec::new();
        for place in PLACES {
            let token = hub.node_token(place.region).await?;
            probes.push(DemoProbe::new(place, hub.base_url(), token, checker.clone(), interval)?);
        }
        Ok(Self { members, hub, probes })
    }

    pub async fn stop_carol(&mut self) -> anyhow::Result<()> {
        match self.carol().node.take() {
            Some(node) => node.stop().await,
            None => Ok(()),
        }
    }

    /// At the very place where it was.
    pub async fn start_carol(&mut self) -> anyhow::Result<()> {
        let carol = self.carol();
        let node = Node::start(carol.name, &carol.url).await;
        carol.node = Some(node.context("a stopped node could not be started again")?);
        Ok(())
    }

    /// Ends every node, and waits until all are gone.
    pub async fn clear(self) -> anyhow::Result<()> {
        for node in self.members.into_iter().filter_map(|member| member.node) {
            node.stop().await?;
        }
        Ok(())
    }

    fn carol(&mut self) -> &mut Member {
        self.members.iter_mut().find(|member| member.name == CAROL).expect("carol is of the cast")
    }
}
