//! Signatures, against values that other programs computed.

use chrono::DateTime;
use easytier_uptime_alerts::{
    Channel, ChannelKind,
    channel::{HttpRequest, Outgoing},
};

use crate::{messages::outage, settings::channel_with};

/// What the channel sends at this time, in milliseconds since 1970.
pub fn request_at(channel: &Channel, milliseconds: i64) -> HttpRequest {
    let now = DateTime::from_timestamp_millis(milliseconds).unwrap();
    match channel.request(&outage(), now) {
        Ok(Outgoing::Http(request)) => request,
        _ => panic!("it is no request"),
    }
}

/// `printf '1700000000000\nSECtest' | openssl dgst -sha256 -hmac SECtest -binary | base64`
#[test]
fn a_robot_of_dingtalk_gets_time_and_signature_in_the_url() {
    let channel = channel_with(ChannelKind::DingTalk, "https://oapi.dingtalk.com", &[("secret", "SECtest")]).unwrap();
    let request = request_at(&channel, 1_700_000_000_000);
    let query: Vec<(String, String)> = request.url.query_pairs().into_owned().collect();
    let expected = [("access_token", "dingsecrettoken"), ("timestamp", "1700000000000"), ("sign", DINGTALK_SIGN)];
    assert_eq!(query, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    // A plus would be read as a space.
    assert!(!request.url.query().unwrap().contains('+'));
}

/// `printf '' | openssl dgst -sha256 -mac HMAC -macopt hexkey:$(printf '1700000000\nSECtest' | xxd -p) -binary | base64`
#[test]
fn a_robot_of_feishu_gets_time_and_signature_in_the_body() {
    let channel = channel_with(ChannelKind::Feishu, "https://open.feishu.cn", &[("secret", "SECtest")]).unwrap();
    let request = request_at(&channel, 1_700_000_000_999);
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!((body["timestamp"].as_str(), body["sign"].as_str()), (Some("1700000000"), Some(FEISHU_SIGN)));
}

#[test]
fn without_a_secret_nothing_is_signed() {
    for (kind, base) in [(ChannelKind::DingTalk, "https://a.example"), (ChannelKind::Feishu, "https://a.example")] {
        let channel = channel_with(kind, base, &[("secret", "")]).unwrap();
        let request = request_at(&channel, 1_700_000_000_000);
        assert!(!request.url.as_str().contains("sign"), "{kind:?}");
        assert!(!String::from_utf8(request.body).unwrap().contains("\"sign\""), "{kind:?}");
    }
    let channel = channel_with(ChannelKind::Webhook, "https://a.example", &[("secret", "")]).unwrap();
    let names: Vec<String> = request_at(&channel, 0).headers.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["Content-Type", "Idempotency-Key"]);
}

const DINGTALK_SIGN: &str = "aZLLrriXgn05YbwaGR7knYsLeJADjr9NwLaNNKpxh4g=";
const FEISHU_SIGN: &str = "G7XpBpG8NgG02fJOAhX6FRAObIljmFoxVReo8I62pEk=";
