//! Servers that are slow, refuse, never end or talk nonsense: time and memory are bounded, and other messages do not wait.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use easytier_probe::AddressPolicy;
use easytier_uptime_alerts::{ChannelKind, Outcome, SendOptions, Sender};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    fake::{Fake, reply},
    messages::outage,
    settings::{channel, channel_with, options},
};

/// The time that a message may take in these tests.
const LIMIT: Duration = Duration::from_secs(4);

fn sender() -> Sender {
    Sender::new(SendOptions { timeout: LIMIT, connect_timeout: LIMIT / 2, ..options() }).unwrap()
}

/// A server that does `talk` on each connection.
async fn server<F>(talk: impl Fn(TcpStream) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream));
        }
    });
    address.to_string()
}

async fn outcome_at(address: &str, kind: ChannelKind) -> (Outcome, Duration) {
    let channel = match kind {
        ChannelKind::Mail => channel_with(kind, "", &[("server", address)]).unwrap(),
        kind => channel(kind, &format!("http://{address}")),
    };
    let started = Instant::now();
    let outcome = sender().send(&channel, &outage()).await;
    (outcome, started.elapsed())
}

#[tokio::test]
async fn a_server_that_never_answers_takes_no_more_than_the_limit() {
    let silent = server(|mut stream| async move { drop(stream.read_to_end(&mut Vec::new()).await) }).await;
    for kind in [ChannelKind::Webhook, ChannelKind::Telegram, ChannelKind::Mail] {
        let (outcome, took) = outcome_at(&silent, kind).await;
        assert_eq!(outcome, Outcome::Unclear { why: "no answer within 4 s".to_owned() }, "{kind:?}");
        assert!(took < LIMIT * 2, "{kind:?}: {took:?}");
    }
}

#[tokio::test]
async fn a_mail_server_that_waits_for_tls_is_not_waited_for() {
    let silent = server(|mut stream| async move { drop(stream.read_to_end(&mut Vec::new()).await) }).await;
    for (security, said) in [("starttls", "no greeting in time"), ("tls", "no TLS in time")] {
        let settings = [("server", silent.as_str()), ("security", security)];
        let channel = channel_with(ChannelKind::Mail, "", &settings).unwrap();
        let outcome = sender().send(&channel, &outage()).await;
        let why = format!("{said}; is security set as the port needs it?");
        assert_eq!(outcome, Outcome::Retry { after: None, why });
    }
}

#[tokio::test]
async fn others_do_not_wait_for_a_slow_server() {
    let silent = server(|mut stream| async move { drop(stream.read_to_end(&mut Vec::new()).await) }).await;
    let good = Fake::start(|_| reply(200, "")).await;
    let sender = Arc::new(sender());
    let slow: Vec<_> = (0..50)
        .map(|_| {
            let (sender, channel) = (sender.clone(), channel(ChannelKind::Webhook, &format!("http://{silent}")));
            tokio::spawn(async move { sender.send(&channel, &outage()).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let outcome = sender.send(&channel(ChannelKind::Webhook, &good.url), &outage()).await;
    assert_eq!(outcome, Outcome::Delivered);
    assert!(slow.iter().all(|slow| !slow.is_finished()), "the good one came after the slow ones");
}

#[tokio::test]
async fn a_server_that_does_not_listen_can_be_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    for kind in [ChannelKind::Webhook, ChannelKind::Slack, ChannelKind::Mail] {
        let (outcome, _) = outcome_at(&address, kind).await;
        let Outcome::Retry { why, .. } = outcome else { panic!("{kind:?}: {outcome:?}") };
        assert!(why.starts_with("no connection: Connection refused"), "{why}");
    }
}

#[tokio::test]
async fn a_name_that_does_not_exist_can_be_tried_again() {
    let (outcome, _) = outcome_at("no-such-host.invalid:80", ChannelKind::Webhook).await;
    assert!(matches!(&outcome, Outcome::Retry { why, .. } if !why.contains("secret")), "{outcome:?}");
}

#[tokio::test]
async fn a_broken_connection_leaves_it_unclear() {
    let rude = server(|mut stream| async move {
        let mut byte = [0];
        drop(stream.read(&mut byte).await);
    })
    .await;
    let (outcome, _) = outcome_at(&rude, ChannelKind::Slack).await;
    assert!(matches!(&outcome, Outcome::Unclear { why } if why.starts_with("the connection broke")), "{outcome:?}");
}

#[tokio::test]
async fn an_answer_without_sense_leaves_it_unclear() {
    let garbage = server(|mut stream| async move {
        drop(stream.write_all(b"\x16\x03\x01 this is not the protocol you look for\r\n\r\n").await);
        drop(stream.read_to_end(&mut Vec::new()).await);
    })
    .await;
    let (outcome, took) = outcome_at(&garbage, ChannelKind::Webhook).await;
    assert!(matches!(outcome, Outcome::Unclear { .. }), "{outcome:?}");
    assert!(took < LIMIT, "{took:?}");
    let (outcome, _) = outcome_at(&garbage, ChannelKind::Mail).await;
    assert!(matches!(outcome, Outcome::Retry { .. } | Outcome::Refused { .. }), "{outcome:?}");
}

/// How much a server could write before its client hung up.
async fn written(mut stream: TcpStream, head: &str, count: Arc<AtomicU64>) {
    let mut request = [0; 1024];
    drop(stream.read(&mut request).await);
    drop(stream.write_all(head.as_bytes()).await);
    while stream.write_all(&[b'x'; 16 * 1024]).await.is_ok() {
        count.fetch_add(16, Relaxed);
    }
}

#[tokio::test]
async fn no_more_is_read_of_an_endless_answer_than_needed() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffff\r\n";
    let count = Arc::new(AtomicU64::new(0));
    let counted = count.clone();
    let endless = server(move |stream| written(stream, HEAD, counted.clone())).await;
    let (outcome, took) = outcome_at(&endless, ChannelKind::Webhook).await;
    assert_eq!(outcome, Outcome::Delivered, "the status is known");
    assert!(took < LIMIT, "{took:?}");
    let (outcome, _) = outcome_at(&endless, ChannelKind::DingTalk).await;
    assert!(matches!(outcome, Outcome::Unclear { .. }), "{outcome:?}");
    // What the sockets of both sides hold comes on top.
    assert!(count.load(Relaxed) < 32 * 1024, "{} KiB were taken", count.load(Relaxed));
}

#[tokio::test]
async fn endless_headers_are_not_read_to_the_end() {
    let count = Arc::new(AtomicU64::new(0));
    let counted = count.clone();
    let endless = server(move |stream| written(stream, "HTTP/1.1 200 OK\r\nX-Long: ", counted.clone())).await;
    let (outcome, took) = outcome_at(&endless, ChannelKind::Webhook).await;
    assert!(matches!(outcome, Outcome::Unclear { .. }), "{outcome:?}");
    assert!(took < LIMIT, "{took:?}");
    assert!(count.load(Relaxed) < 32 * 1024, "{} KiB were taken", count.load(Relaxed));
}

#[tokio::test]
async fn a_mail_server_that_never_stops_talking_is_left() {
    let count = Arc::new(AtomicU64::new(0));
    let counted = count.clone();
    let endless = server(move |mut stream| {
        let count = counted.clone();
        async move {
            while stream.write_all(&[b'2'; 16 * 1024]).await.is_ok() {
                count.fetch_add(16, Relaxed);
            }
        }
    })
    .await;
    for security in ["none", "starttls"] {
        let settings = [("server", endless.as_str()), ("security", security)];
        let channel = channel_with(ChannelKind::Mail, "", &settings).unwrap();
        let started = Instant::now();
        let outcome = sender().send(&channel, &outage()).await;
        assert!(matches!(outcome, Outcome::Retry { .. } | Outcome::Refused { .. }), "{security}: {outcome:?}");
        assert!(started.elapsed() < LIMIT, "{security}: {:?}", started.elapsed());
    }
    assert!(count.load(Relaxed) < 32 * 1024, "{} KiB were taken", count.load(Relaxed));
}

#[tokio::test]
async fn the_address_policy_holds_for_channels_of_others_than_admins() {
    let fake = Fake::start(|_| reply(200, "")).await;
    let port = fake.url.rsplit(':').next().unwrap().to_owned();
    let hosts = [
        "127.0.0.1",
        "localhost",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0x7f.1",
        "[::1]",
        "169.254.169.254",
        "10.0.0.1",
    ];
    for host in hosts {
        let confined = channel(ChannelKind::Webhook, &format!("http://{host}:{port}")).confined().unwrap();
        let outcome = sender().send(&confined, &outage()).await;
        let Outcome::Refused { why } = outcome else { panic!("{host}: {outcome:?}") };
        assert!(why.ends_with("is in a network that only a channel of an admin may lead to"), "{host}: {why}");
    }
    let mail = channel_with(ChannelKind::Mail, "", &[("server", "localhost:25")]).unwrap().confined().unwrap();
    assert!(matches!(sender().send(&mail, &outage()).await, Outcome::Refused { .. }));
    assert!(fake.received().is_empty());

    let local = SendOptions { address_policy: AddressPolicy::ANY, ..options() };
    let confined = channel(ChannelKind::Webhook, &format!("http://localhost:{port}")).confined().unwrap();
    assert_eq!(Sender::new(local).unwrap().send(&confined, &outage()).await, Outcome::Delivered);
    assert_eq!(fake.received().len(), 1);
}
