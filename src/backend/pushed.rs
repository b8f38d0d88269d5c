//! The peers of a configuration that a hub pushes to a probe: entries as in a listing.

use serde_json::value::RawValue;
use tracing::warn;

use super::documents::{into_peer, parse_entry};
use crate::Peer;

/// The peers of a pushed list.
#[derive(Debug)]
pub struct PushedPeers {
    /// Those that can be watched.
    pub peers: Vec<Peer>,
    /// How many entries were left out because they cannot be watched, as of a fetched list. The log names the first.
    pub skipped: usize,
}

/// Reads the entries of a pushed list.
///
/// # Errors
/// The place of the first entry that is none of a list, and what is wrong with it, without its values, which may be secret.
pub fn pushed_peers(entries: &[&RawValue]) -> Result<PushedPeers, String> {
    let mut read = PushedPeers { peers: Vec::with_capacity(entries.len()), skipped: 0 };
    for (position, entry) in entries.iter().enumerate() {
        let listed = parse_entry(entry).map_err(|problem| format!("peers[{position}]: {problem}"))?;
        match into_peer(listed) {
            Ok(peer) => read.peers.push(peer),
            Err(reason) => {
                if read.skipped == 0 {
                    warn!("the hub pushed a peer that cannot be watched, and is left out: {reason}");
                }
                read.skipped += 1;
            }
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(entries: &[&str]) -> Result<(Vec<i64>, usize), String> {
        let entries: Vec<&RawValue> = entries.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        pushed_peers(&entries).map(|read| (read.peers.iter().map(|peer| peer.id).collect(), read.skipped))
    }

    #[test]
    fn entries_are_those_of_a_listing() {
        let good = r#"{"id": 7, "host": "192.0.2.1", "port": 11010, "protocol": "tcp", "network_secret": "s3cret"}"#;
        assert_eq!(pushed(&[]), Ok((vec![], 0)));
        assert_eq!(pushed(&[good, r#"{"id": 8, "host": ""}"#]), Ok((vec![7], 1)), "nobody can watch the second");
        assert_eq!(pushed(&[good, "5"]), Err("peers[1]: not an object".to_owned()));
        let wrong =
            pushed(&[r#"{"id": 9, "host": "192.0.2.1", "port": 11010, "network_secret": 1234567}"#]).unwrap_err();
        assert!(wrong.starts_with("peers[0]: peer 9: ") && wrong.contains("'network_secret'"), "{wrong}");
        assert!(!wrong.contains("1234567"), "{wrong}");
    }
}
