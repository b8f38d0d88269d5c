//! Peer URLs from TXT and SRV records.

use std::cmp::Reverse;

use futures::future::join_all;
use hickory_resolver::proto::rr::{RData, RecordType};
use url::Host;

use super::{
    dns::Dns,
    node_url::{NodeUrl, node_urls},
    quote::quote,
};
use crate::{Failure, FailureCode, Scheme};

/// The URLs in the TXT records of `domain`, separated by spaces.
pub(super) async fn txt(dns: &Dns, domain: &Host) -> Result<Vec<NodeUrl>, Failure> {
    let domain = domain.to_string();
    let records = dns.records(&domain, RecordType::TXT).await?;
    // A record consists of strings of 255 bytes, so a URL may be split between two of them.
    let texts: Vec<String> = records
        .iter()
        .filter_map(|record| match record {
            RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
            _ => None,
        })
        .collect();
    if texts.is_empty() {
        let message = format!("{} has no TXT record", quote(&domain));
        return Err(Failure::new(FailureCode::ResolverFailed, message));
    }
    let source = format!("the TXT record of {}", quote(&domain));
    node_urls(&source, texts.iter().flat_map(|text| text.split_ascii_whitespace()))
}

/// The URLs that the SRV records `_easytier._<scheme>.<domain>` stand for, by priority and weight.
pub(super) async fn srv(dns: &Dns, domain: &Host) -> Result<Vec<NodeUrl>, Failure> {
    let domain = domain.to_string();
    let lookups = Scheme::all().filter(|scheme| !scheme.is_indirect()).map(|scheme| {
        let name = format!("_easytier._{scheme}.{domain}");
        async move { (scheme, dns.records(&name, RecordType::SRV).await) }
    });
    let mut found = Vec::new();
    let mut first_failure = None;
    for (scheme, result) in join_all(lookups).await {
        match result {
            Ok(records) => found.extend(records.into_iter().filter_map(|record| match record {
                RData::SRV(srv) => Some((scheme, srv)),
                _ => None,
            })),
            Err(failure) => _ = first_failure.get_or_insert(failure),
        }
    }
    if found.is_empty() {
        return Err(first_failure.unwrap_or_else(|| {
            let message = format!("{} has no SRV record _easytier._<tcp|udp|ws|wss|wg|quic>", quote(&domain));
            Failure::new(FailureCode::ResolverFailed, message)
        }));
    }

    found.sort_by_key(|(_, srv)| (srv.priority, Reverse(srv.weight)));
    // Port 0 and the target "." mean that the service is not offered; they make no valid peer URL.
    let urls: Vec<String> = found
        .iter()
        .map(|(scheme, srv)| format!("{scheme}://{}:{}", srv.target.to_ascii().trim_end_matches('.'), srv.port))
        .collect();
    node_urls(&format!("the SRV records of {}", quote(&domain)), urls.iter().map(String::as_str))
}
