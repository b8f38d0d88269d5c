//! What the demo is played on: three nodes and a hub that has them watched.

use anyhow::Context;

use super::{hub::DemoHub, node::Node};

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
}

impl Stage {
    pub async fn set() -> anyhow::Result<Self> {
        let mut members = Vec::new();
        for (name, listen) in NODES {
            let node = Node::start(name, listen).await?;
            members.push(Member { name, url: node.url().to_string(), node: Some(node) });
        }
        let hub = DemoHub::start(members.iter().map(|member| (member.name, member.url.as_str()))).await?;
        Ok(Self { members, hub })
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
