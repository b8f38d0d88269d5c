//! Proxies of channels: HTTP and SOCKS5, for requests and for mail.

use std::sync::{Arc, Mutex};

use easytier_uptime_alerts::{ChannelKind, Outcome};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use crate::{
    fake::{Fake, reply},
    mail::SmtpServer,
    messages::outage,
    settings::{channel_with, sender},
};

/// What proxies were asked for.
type Asked = Arc<Mutex<Vec<String>>>;

/// A proxy of HTTP that asks for `user` and `pass word`. It leads everything to `target`, whatever it is asked for.
async fn http_proxy(target: String) -> (String, Asked) {
    let (listener, url, asked) = listen("http").await;
    let seen = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let mut head = Vec::new();
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).await.unwrap_or(0) == 0 || line == "\r\n" {
                    break;
                }
                head.push(line);
            }
            let Some(first) = head.first().cloned() else { continue };
            seen.lock().unwrap().push(first.trim().to_owned());
            let login = "proxy-authorization: basic dXNlcjpwYXNzIHdvcmQ=";
            if !head.iter().any(|line| line.trim().eq_ignore_ascii_case(login)) {
                drop(stream.write_all(b"HTTP/1.1 407 Who are you?\r\nContent-Length: 0\r\n\r\n").await);
                continue;
            }
            let mut server = TcpStream::connect(&target).await.unwrap();
            if first.starts_with("CONNECT") {
                stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.unwrap();
            } else {
                server.write_all(format!("{}\r\n", head.concat()).as_bytes()).await.unwrap();
            }
            tokio::spawn(async move { drop(copy_bidirectional(&mut stream, &mut server).await) });
        }
    });
    (url.replace("://", "://user:pass%20word@"), asked)
}

/// A proxy of SOCKS5 that leads everything to `target`.
async fn socks_proxy(target: String) -> (String, Asked) {
    let (listener, url, asked) = listen("socks5h").await;
    let seen = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut hello = [0; 2];
            stream.read_exact(&mut hello).await.unwrap();
            stream.read_exact(&mut vec![0; hello[1].into()]).await.unwrap();
            stream.write_all(&[5, 0]).await.unwrap();
            let mut request = [0; 4];
            stream.read_exact(&mut request).await.unwrap();
            assert_eq!(request, [5, 1, 0, 3], "it connects to a name");
            let length = stream.read_u8().await.unwrap();
            let mut name = vec![0; length.into()];
            stream.read_exact(&mut name).await.unwrap();
            let port = stream.read_u16().await.unwrap();
            seen.lock().unwrap().push(format!("{}:{port}", String::from_utf8(name).unwrap()));
            let mut server = TcpStream::connect(&target).await.unwrap();
            stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
            tokio::spawn(async move { drop(copy_bidirectional(&mut stream, &mut server).await) });
        }
    });
    (url, asked)
}

async fn listen(scheme: &str) -> (TcpListener, String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("{scheme}://{}", listener.local_addr().unwrap());
    (listener, url, Asked::default())
}

#[tokio::test]
async fn requests_go_through_the_proxy_of_the_channel() {
    let fake = Fake::start(|_| reply(200, "")).await;
    let target = fake.url.trim_start_matches("http://").to_owned();
    // A name that only a proxy knows.
    let base = "http://service.invalid:8080";
    let (proxy, asked) = http_proxy(target.clone()).await;
    let channel = channel_with(ChannelKind::Webhook, base, &[("proxy", &proxy)]).unwrap();
    assert_eq!(sender().send(&channel, &outage()).await, Outcome::Delivered);
    assert_eq!(*asked.lock().unwrap(), ["POST http://service.invalid:8080/hook/abc123secret HTTP/1.1"]);

    let (proxy, asked) = socks_proxy(target).await;
    let channel = channel_with(ChannelKind::Webhook, base, &[("proxy", &proxy)]).unwrap();
    assert_eq!(sender().send(&channel, &outage()).await, Outcome::Delivered);
    assert_eq!(*asked.lock().unwrap(), ["service.invalid:8080"]);
    assert_eq!(fake.received().len(), 2);
}

#[tokio::test]
async fn mail_goes_through_the_proxy_of_the_channel() {
    let server = SmtpServer::start("plain");
    let settings = |proxy| [("server", "mail.invalid:25"), ("security", "none"), ("proxy", proxy)];
    let (proxy, asked) = http_proxy(server.address()).await;
    let channel = channel_with(ChannelKind::Mail, "", &settings(&proxy)).unwrap();
    assert_eq!(sender().send(&channel, &outage()).await, Outcome::Delivered);
    assert_eq!(*asked.lock().unwrap(), ["CONNECT mail.invalid:25 HTTP/1.1"]);
    assert_eq!(server.mail().await["to"], serde_json::json!(["one@example.net", "two@example.net"]));

    let (proxy, asked) = socks_proxy(server.address()).await;
    let channel = channel_with(ChannelKind::Mail, "", &settings(&proxy)).unwrap();
    assert_eq!(sender().send(&channel, &outage()).await, Outcome::Delivered);
    assert_eq!(*asked.lock().unwrap(), ["mail.invalid:25"]);
}

#[tokio::test]
async fn a_proxy_that_does_not_let_in_can_be_tried_again() {
    let (proxy, _) = http_proxy("127.0.0.1:1".to_owned()).await;
    let proxy = proxy.replace("user:", "other:");
    let mail = [("server", "mail.invalid:25"), ("security", "none"), ("proxy", proxy.as_str())];
    let mail = channel_with(ChannelKind::Mail, "", &mail).unwrap();
    let outcome = sender().send(&mail, &outage()).await;
    assert!(
        matches!(&outcome, Outcome::Retry { why, .. } if why.contains("proxy") && !why.contains("pass")),
        "{outcome:?}"
    );
}

/// The environment of a process is that of all its tests, so another one sends.
#[tokio::test]
async fn requests_without_a_proxy_of_their_own_take_that_of_the_environment() {
    let fake = Fake::start(|_| reply(200, "")).await;
    let (proxy, asked) = http_proxy(fake.url.trim_start_matches("http://").to_owned()).await;
    let output = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "proxies::sends_to_a_name_that_only_a_proxy_knows", "--ignored"])
        .env("HTTP_PROXY", proxy)
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(*asked.lock().unwrap(), ["POST http://service.invalid:8080/hook/abc123secret HTTP/1.1"]);
    assert_eq!(fake.received().len(), 1);
}

#[tokio::test]
#[ignore = "the test above runs it, with a proxy in the environment"]
async fn sends_to_a_name_that_only_a_proxy_knows() {
    let channel = channel_with(ChannelKind::Webhook, "http://service.invalid:8080", &[]).unwrap();
    assert_eq!(sender().send(&channel, &outage()).await, Outcome::Delivered);
}
