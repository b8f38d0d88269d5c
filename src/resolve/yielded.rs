//! The URLs in the response of a web server or the DNS.

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

/// What one URL has yielded: at least one URL of a node, or at least one URL to follow.
#[derive(Debug, Default)]
pub(super) struct Yielded {
    /// The URLs of nodes.
    pub nodes: Vec<NodeUrl>,
    /// The URLs that yield others in turn.
    pub indirect: Vec<PeerUrl>,
}

/// The peer URLs among `texts`, the first [`MAX_YIELDED_URLS`] of them. Other texts are skipped, and so are URLs of a
/// protocol that this probe does not speak, unless there are no others.
///
/// `source` names the origin of the texts in the error message.
///
/// # Errors
///
/// If none of the texts is a URL that this probe can use.
pub(super) fn yielded_urls<'a>(source: &str, texts: impl IntoIterator<Item = &'a str>) -> Result<Yielded, Failure> {
    let mut yielded = Yielded::default();
    let mut unsupported = None;
    for url in texts.into_iter().filter_map(|text| text.parse::<PeerUrl>().ok()) {
        let Some(scheme) = url.scheme() else {
            unsupported.get_or_insert(url);
            continue;
        };
        if yielded.nodes.len() + yielded.indirect.len() >= MAX_YIELDED_URLS {
            break;
        }
        match scheme.transport() {
            Some(transport) => {
                let node = NodeUrl { url, transport };
                if !yielded.nodes.contains(&node) {
                    yielded.nodes.push(node);
                }
            }
            None if !yielded.indirect.contains(&url) => yielded.indirect.push(url),
            None => {}
        }
    }
    match unsupported {
        _ if !yielded.nodes.is_empty() || !yielded.indirect.is_empty() => Ok(yielded),
        Some(url) => {
            let failure = unsupported_protocol(&url);
            Err(Failure { message: format!("{source}: {}", failure.message), ..failure })
        }
        None => {
            let message = format!("{source}: no URL of a node (such as tcp://host:11010) in it");
            Err(Failure::new(FailureCode::ResolverFailed, message))
        }
    }
}

/// The failure of a URL whose scheme is none of this library's.
pub(super) fn unsupported_protocol(url: &PeerUrl) -> Failure {
    let message = format!(
        "this probe does not speak the protocol '{}' of {}",
        quote_url(url.protocol()),
        quote_url(&url.to_string())
    );
    Failure::new(FailureCode::UnsupportedProtocol, message)
}
