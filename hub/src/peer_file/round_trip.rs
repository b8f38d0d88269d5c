//! What an export writes, an import reads as it was.

use std::time::Duration;

use easytier_probe::CheckMode;
use easytier_uptime_store::domain::{Contacts, NewPeer, PeerId, PeerRecord, PeerSpec, Timestamp, Verdict};
use proptest::{collection::vec, option, prelude::*};

use super::{Document, csv, parse};

/// A text without spaces at its ends, which nothing keeps.
fn text() -> impl Strategy<Value = String> {
    "[=+@#'\"a-z，；,;\u{4e00}-\u{4e20}-][ =+@#'\"a-z，；,;\u{4e00}-\u{4e20}-]{0,8}"
        .prop_map(|text| text.trim().to_owned())
}

fn spec() -> impl Strategy<Value = PeerSpec> {
    let url =
        (prop::sample::select(vec!["tcp", "udp", "wss", "https"]), 1..=u16::MAX, "(/[a-z]{1,4}(\\?a=[0-9,]{1,4})?)?")
            .prop_map(|(scheme, port, path)| format!("{scheme}://node.example.net:{port}{path}").parse().unwrap());
    let labels = || vec("[a-z\u{4e00}-\u{4e20}]{1,4}", 0..3);
    let member = option::of((text(), "[ a-z'=]{0,6}"));
    let texts = (text(), option::of(text()), option::of(text()), option::of(text()));
    let numbers = (option::of(100..=60_000_u64), any::<u32>(), any::<bool>(), any::<bool>());
    (url, labels(), labels(), member, texts, numbers).prop_map(|(url, tags, regions, member, texts, numbers)| {
        let (name, qq_number, wechat, mail) = texts;
        let (timeout, max_connections, allow_relay, is_handshake) = numbers;
        let (network_name, network_secret) = member.map(|(name, secret)| (name, secret.into())).unzip();
        PeerSpec {
            description: name.clone(),
            network_name,
            network_secret,
            mode: if is_handshake { CheckMode::Handshake } else { CheckMode::Full },
            timeout: timeout.map(Duration::from_millis),
            allow_relay,
            max_connections,
            tags: tags.iter().map(|tag| tag.parse().unwrap()).collect(),
            regions: regions.iter().map(|region| region.parse().unwrap()).collect(),
            contacts: Contacts { qq_number, wechat, mail },
            ..PeerSpec::named(url, Some(name))
        }
    })
}

proptest! {
    #[test]
    fn an_export_is_read_back_alike_in_both_of_its_forms(
        peers in vec((spec(), any::<bool>(), any::<bool>()), 1..5),
    ) {
        let records = (1..).zip(&peers).map(|(id, (spec, approved, submitted))| PeerRecord {
            id: PeerId(id),
            spec: spec.clone(),
            approved: *approved,
            set_aside: false,
            submitted: *submitted,
            verdict: Verdict::Unknown,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
        });
        let documents: Vec<Document> = records.map(|record| Document::of(&record, true)).collect();
        let expected: Vec<NewPeer> =
            peers.into_iter().map(|(spec, approved, submitted)| NewPeer { spec, approved, submitted }).collect();
        for export in [serde_json::to_string(&documents).unwrap(), csv::write(&documents, true).unwrap()] {
            let read = parse(&export).map_err(|problem| TestCaseError::fail(format!("{export} is {problem}")))?;
            let read: Vec<_> = read.into_iter().map(|(_, peer)| peer).collect();
            prop_assert_eq!(read, expected.iter().cloned().map(Ok).collect::<Vec<_>>(), "{}", export);
        }
    }
}
