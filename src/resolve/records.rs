//! Peer URLs from TXT and SRV records, read as EasyTier's `dns_connector.rs` reads them (2.6.4).

use std::cmp::Reverse;

use futures::future::join_all;
use hickory_resolver::proto::rr::{RData, RecordType, rdata::SRV};

use super::{
    dns::Lookups,
    quote::quote,
    yielded::{Yielded, yielded_urls},
};
use crate::{Failure, FailureCode, Scheme};

/// A protocol that clients look up too, and that this probe does not speak.
const UNSPOKEN: &str = "faketcp";

/// The URLs in the TXT records of `domain`, separated by spaces.
///
/// A record consists of strings of at most 255 bytes, of which clients read the first one only. Of several records they
/// take the one that comes first in the answer; name servers change the order, so all of them count.
pub(super) async fn txt(lookups: &Lookups<'_>, domain: &str) -> Result<Yielded, Failure> {
    let records = lookups.records(domain, RecordType::TXT).await?;
    let first_string = |record: &RData| match record {
        RData::TXT(txt) => txt.txt_data.first().map(|text| String::from_utf8_lossy(text).into_owned()),
        _ => None,
    };
    let texts: Vec<String> = records.iter().filter_map(first_string).collect();
    if texts.is_empty() {
        return Err(resolver_failed(format!("{} has no TXT record", quote(domain))));
    }
    let has_more = records.iter().any(|record| matches!(record, RData::TXT(txt) if txt.txt_data.len() > 1));
    let hint = if has_more { " (clients read only the first string of a record, 255 bytes)" } else { "" };
    let source = format!("the TXT record of {}{hint}", quote(domain));
    yielded_urls(&source, texts.iter().flat_map(|text| text.split_ascii_whitespace()))
}

/// The URLs that the SRV records `_easytier._<protocol>.<domain>` stand for.
///
/// Clients choose one at random, with the *priority* as its weight. So a record of priority 0 is never chosen, and a client
/// that finds no other fails.
pub(super) async fn srv(lookups: &Lookups<'_>, domain: &str) -> Result<Yielded, Failure> {
    let protocols = Scheme::all().filter(|scheme| !scheme.is_indirect()).map(Scheme::as_str).chain([UNSPOKEN]);
    let of_protocols = protocols.map(|protocol| async move {
        let name = format!("_easytier._{protocol}.{domain}");
        (protocol, lookups.records(&name, RecordType::SRV).await)
    });
    let mut found: Vec<(&str, SRV)> = Vec::new();
    let mut first_failure = None;
    for (protocol, result) in join_all(of_protocols).await {
        match result {
            Ok(records) => found.extend(records.into_iter().filter_map(|record| match record {
                RData::SRV(srv) => Some((protocol, srv)),
                _ => None,
            })),
            Err(failure) => _ = first_failure.get_or_insert(failure),
        }
    }
    if found.is_empty() {
        return Err(first_failure.unwrap_or_else(|| {
            let message = format!("{} has no SRV record _easytier._<tcp|udp|ws|wss|wg|quic>", quote(domain));
            resolver_failed(message)
        }));
    }
    let source = format!("the SRV records of {}", quote(domain));
    found.retain(|(_, srv)| srv.priority > 0);
    if found.is_empty() {
        // A record that could not be looked up may have another priority.
        return Err(first_failure.unwrap_or_else(|| {
            let message = format!(
                "{source} all have priority 0, with which no EasyTier client connects: it takes the priority as the \
                 weight; give them a higher one"
            );
            resolver_failed(message)
        }));
    }
    found.sort_by_key(|(_, srv)| Reverse(srv.priority));
    // Port 0 and the target "." mean that the service is not offered; they make no valid peer URL.
    let urls: Vec<String> = found
        .iter()
        .map(|(protocol, srv)| format!("{protocol}://{}:{}", srv.target.to_ascii().trim_end_matches('.'), srv.port))
        .collect();
    yielded_urls(&source, urls.iter().map(String::as_str))
}

fn resolver_failed(message: String) -> Failure {
    Failure::new(FailureCode::ResolverFailed, message)
}
