//! A peer or a submission, as commands show it.

use std::collections::BTreeSet;

use easytier_probe::PeerUrl;
use easytier_uptime_hub::{
    CheckDepth,
    peer_file::{Access, Document},
    service::{Entry, NodeId},
};
use easytier_uptime_store::domain::{PeerId, PeerRecord, Region, Tag, Timestamp, Verdict};
use serde::{Deserialize, Serialize};

use crate::text::printable;

/// A peer or a submission: the fields of an export, and its status and times.
#[derive(Serialize)]
pub struct Listed {
    #[serde(flatten)]
    pub document: Document,
    pub status: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A node, as the API has it for the operator.
#[derive(Deserialize)]
pub(super) struct RemoteNode {
    pub id: i64,
    name: String,
    address: String,
    description: String,
    has_secret: bool,
    network_name: Option<String>,
    check: CheckDepth,
    timeout_ms: Option<u64>,
    allow_relay: bool,
    max_connections: u32,
    tags: BTreeSet<Tag>,
    regions: BTreeSet<Region>,
    qq_number: Option<String>,
    wechat: Option<String>,
    mail: Option<String>,
    is_approved: bool,
    submitted: bool,
    pub is_pending: bool,
    is_set_aside: bool,
    verdict: String,
    pub created_at: Timestamp,
    updated_at: Timestamp,
}

impl Listed {
    /// Its URL without what may be secret, and its name if that is another.
    pub fn url_and_name(&self) -> String {
        url_and_name(&self.document.url, &self.document.name)
    }

    /// Its name; empty if that is its URL.
    pub fn own_name(&self) -> String {
        match is_its_url(&self.document.url, &self.document.name) {
            true => String::new(),
            false => printable(&self.document.name),
        }
    }

    pub fn id(&self) -> NodeId {
        NodeId::from(self.document.id)
    }
}

fn is_its_url(url: &str, name: &str) -> bool {
    url.parse::<PeerUrl>().is_ok_and(|url| url.is_written_as(name))
}

/// A URL without what may be secret, and the name if it differs.
pub fn url_and_name(url: &str, name: &str) -> String {
    let shown = url.parse::<PeerUrl>().map_or_else(|_| printable(url), |url| url.to_string());
    match is_its_url(url, name) {
        true => shown,
        false => format!("{shown} ({})", printable(name)),
    }
}

/// In the words of the list.
fn status(is_pending: bool, is_set_aside: bool, is_approved: bool, verdict: &str) -> String {
    let status = match (is_pending, is_set_aside, is_approved) {
        (true, ..) => "pending",
        (_, true, _) => "local, not watched",
        (_, _, true) => verdict,
        _ => "not approved",
    };
    status.to_owned()
}

impl From<&Entry> for Listed {
    fn from(entry: &Entry) -> Self {
        let (record, is_pending) = match entry {
            Entry::Peer(record) => (record.clone(), false),
            Entry::Pending(submission) => {
                let record = PeerRecord {
                    id: PeerId(entry.id().into()),
                    spec: submission.spec.clone(),
                    approved: false,
                    set_aside: false,
                    submitted: true,
                    verdict: Verdict::Unknown,
                    created_at: submission.created_at,
                    updated_at: submission.created_at,
                };
                (record, true)
            }
        };
        Self {
            document: Document::of(&record, false),
            status: status(is_pending, record.set_aside, record.approved, record.verdict.as_str()),
            created_at: record.created_at,
            updated_at: record.updated_at,
        }
    }
}

impl From<RemoteNode> for Listed {
    fn from(node: RemoteNode) -> Self {
        Self {
            status: status(node.is_pending, node.is_set_aside, node.is_approved, &node.verdict),
            created_at: node.created_at,
            updated_at: node.updated_at,
            document: Document {
                id: node.id,
                name: node.name,
                url: node.address,
                description: node.description,
                access: if node.has_secret { Access::Member } else { Access::Guest },
                network_name: node.network_name,
                network_secret: None,
                check: node.check,
                timeout_ms: node.timeout_ms,
                allow_relay: node.allow_relay,
                max_connections: node.max_connections,
                tags: node.tags,
                regions: node.regions,
                qq_number: node.qq_number,
                wechat: node.wechat,
                mail: node.mail,
                is_approved: node.is_approved,
                submitted: node.submitted,
            },
        }
    }
}
