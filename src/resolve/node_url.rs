//! The URLs of nodes in the response of a web server or the DNS.

use super::quote::quote_url;
use crate::{Failure, FailureCode, PeerUrl, Transport};

/// The maximum number of URLs that one http, https, txt or srv URL may yield. Further URLs are ignored.
pub const MAX_YIELDED_URLS: usize = 16;

/// The URL of a node, which can be connected to without yielding other URLs first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NodeUrl {
    pub url: PeerUrl,
    pub transport: Transport,
}

/// The URLs of nodes among `texts`, the first [`MAX_YIELDED_URLS`] of them. Texts that are not peer URLs are skipped.
///
/// `source` names the origin of the texts in the error message.
pub(super) fn node_urls<'a>(source: &str, texts: impl IntoIterator<Item = &'a str>) -> Result<Vec<NodeUrl>, Failure> {
    let mut nodes: Vec<NodeUrl> = Vec::new();
    let mut indirect = None;
    for url in texts.into_iter().filter_map(|text| text.parse::<PeerUrl>().ok()) {
        let Some(transport) = url.scheme().transport() else {
            indirect.get_or_insert(url);
            continue;
        };
        let node = NodeUrl { url, transport };
        if nodes.len() < MAX_YIELDED_URLS && !nodes.contains(&node) {
            nodes.push(node);
        }
    }
    let problem = match indirect {
        _ if !nodes.is_empty() => return Ok(nodes),
        None => "no URL of a node (such as tcp://host:11010) in it".to_owned(),
        Some(url) => {
            let url = quote_url(&url.to_string());
            format!("{url} would have to be resolved in turn; only URLs of nodes are accepted")
        }
    };
    Err(Failure::new(FailureCode::ResolverFailed, format!("{source}: {problem}")))
}
