//! Mails, to a real server.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use easytier_uptime_alerts::{Channel, ChannelKind, Mailbox, Message, Outcome, SendOptions, Sender};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::ChildStdout,
    sync::Mutex,
};

use crate::{
    messages::{hostile, huge, outage},
    settings::channel_with,
    texts,
};

/// tools/smtp-server with a certificate of its own. It ends with its standard input.
pub struct SmtpServer {
    _process: Child,
    port: u16,
    mails: Mutex<Lines<BufReader<ChildStdout>>>,
    trust: RootCertStore,
    _folder: TempDir,
}

impl SmtpServer {
    pub fn start(mode: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let files = ["certificate", "key"].map(|name| folder.path().join(name));
        let der = certificate.serialize_der().unwrap();
        // It is signed anew each time that it is written.
        let pem =
            format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", wrapped(&STANDARD.encode(&der)));
        fs::write(&files[0], pem).unwrap();
        fs::write(&files[1], certificate.serialize_private_key_pem()).unwrap();
        let mut trust = RootCertStore::empty();
        trust.add(CertificateDer::from(der)).unwrap();

        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/smtp-server");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in the target folder");
        let mut command = Command::new("python3");
        command.arg(script).arg(mode).args(&files).env("CARGO_TARGET_DIR", target);
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("python3 does not run ({error}); tools/setup installs it"));
        let mut stdout = process.stdout.take().expect("piped");
        let port =
            first_line(&mut stdout).trim().parse().expect("tools/smtp-server does not start; see its output above");
        let stdout = ChildStdout::from_std(stdout).unwrap();
        let mails = Mutex::new(BufReader::new(stdout).lines());
        Self { _process: process, port, mails, trust, _folder: folder }
    }

    pub fn address(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// The next mail that it takes.
    pub async fn mail(&self) -> Value {
        let mut mails = self.mails.lock().await;
        let line = tokio::time::timeout(Duration::from_secs(30), mails.next_line()).await;
        serde_json::from_str(&line.expect("a mail comes").unwrap().expect("the server runs")).unwrap()
    }

    /// A sender that trusts the server.
    fn sender(&self) -> Sender {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let trust = builder.with_safe_default_protocol_versions().unwrap();
        let trust = trust.with_root_certificates(self.trust.clone()).with_no_client_auth();
        Sender::new(SendOptions { trust: Some(trust), ..SendOptions::default() }).unwrap()
    }

    /// A channel that the server takes mails of.
    fn channel(&self, security: &str, more: &[(&str, &str)]) -> Channel {
        let address = self.address();
        let mut settings = vec![("server", address.as_str()), ("security", security)];
        if security != "none" {
            settings.extend([("username", "monitor"), ("password", "the password")]);
        }
        settings.extend(more);
        channel_with(ChannelKind::Mail, "", &settings).unwrap()
    }

    async fn send(&self, security: &str, more: &[(&str, &str)], message: &Message) -> Outcome {
        self.sender().send(&self.channel(security, more), message).await
    }
}

/// What comes up to the end of the first line, and nothing after it.
fn first_line(from: &mut impl std::io::Read) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while from.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}

fn wrapped(base64: &str) -> String {
    base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect::<Vec<_>>().join("\n")
}

/// The value of a header that is not encoded.
fn header<'a>(mail: &'a str, name: &str) -> &'a str {
    let start = format!("{name}: ");
    mail.split("\r\n").find_map(|line| line.strip_prefix(&start)).unwrap_or_else(|| panic!("no {name} in {mail}"))
}

/// The text of a mail, decoded.
fn body(mail: &str) -> String {
    let (_, body) = mail.split_once("\r\n\r\n").unwrap();
    match header(mail, "Content-Transfer-Encoding") {
        "base64" => String::from_utf8(STANDARD.decode(body.replace("\r\n", "")).unwrap()).unwrap(),
        "quoted-printable" => quoted_printable(body),
        "7bit" => body.to_owned(),
        other => panic!("{other}"),
    }
    .replace("\r\n", "\n")
}

fn quoted_printable(text: &str) -> String {
    let text = text.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'=' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_mail_arrives_over_both_kinds_of_tls() {
    for security in ["starttls", "tls"] {
        let server = SmtpServer::start(security);
        assert_eq!(server.send(security, &[], &outage()).await, Outcome::Delivered, "{security}");
        let mail = server.mail().await;
        assert_eq!(mail["encrypted"], true);
        assert_eq!(mail["user"], "monitor");
        assert_eq!(mail["from"], "uptime@example.org");
        assert_eq!(mail["to"], json!(["one@example.net", "two@example.net"]));
        let content = mail["content"].as_str().unwrap();
        assert_eq!(header(content, "Subject"), "Tokyo is down");
        assert_eq!(header(content, "Message-ID"), format!("<{}@example.org>", outage().id));
        assert_eq!(header(content, "Auto-Submitted"), "auto-generated");
        let expected = "Tokyo is down\n\nSeen by 2 of 3 regions.\n\nSince 05:06 UTC.\n\n• Tokyo: connection refused\n\n\
            Details: https://uptime.example/node/12?a=1&b=(2)\n\
            Acknowledge: https://uptime.example/alerts/34?token=t0k3n";
        assert_eq!(body(content).trim_end(), expected);
    }
}

#[tokio::test]
async fn a_hostile_name_stays_in_its_place() {
    let server = SmtpServer::start("starttls");
    assert_eq!(server.send("starttls", &[], &hostile()).await, Outcome::Delivered);
    let mail = server.mail().await;
    assert_eq!(mail["to"].as_array().unwrap().len(), 2);
    texts::assert_inert(&body(mail["content"].as_str().unwrap()));
}

#[tokio::test]
async fn a_long_mail_arrives() {
    let server = SmtpServer::start("tls");
    assert_eq!(server.send("tls", &[], &huge()).await, Outcome::Delivered);
    let text = body(server.mail().await["content"].as_str().unwrap());
    assert_eq!(text.matches("• ").count(), huge().nodes.len());
    assert!(text.len() <= 64 * 1024 + 2);
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_gets_nothing() {
    for security in ["starttls", "tls"] {
        let server = SmtpServer::start(security);
        let address = server.address();
        let login = [("username", "monitor"), ("password", "the password")];
        let settings: Vec<(&str, &str)> =
            [("server", address.as_str()), ("security", security)].into_iter().chain(login).collect();
        let channel = channel_with(ChannelKind::Mail, "", &settings).unwrap();
        let outcome = Sender::new(SendOptions::default()).unwrap().send(&channel, &outage()).await;
        let Outcome::Retry { why, .. } = outcome else { panic!("{outcome:?}") };
        assert!(why.starts_with("no TLS: invalid peer certificate"), "{why}");
        // The next mail is the first.
        assert_eq!(server.send(security, &[], &outage()).await, Outcome::Delivered);
        server.mail().await;
    }
}

#[tokio::test]
async fn a_server_without_encryption_gets_no_password() {
    let server = SmtpServer::start("plain");
    let Outcome::Refused { why } = server.send("starttls", &[], &outage()).await else { panic!("it is not refused") };
    assert!(why.starts_with("the server does not offer STARTTLS"), "{why}");
    let outcome = server.send("tls", &[], &outage()).await;
    assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_wrong_password_is_said_without_it() {
    let server = SmtpServer::start("starttls");
    let outcome = server.send("starttls", &[("password", "hunter2hunter2")], &outage()).await;
    let Outcome::Refused { why } = outcome else { panic!("{outcome:?}") };
    assert!(why.contains("535") && !why.contains("hunter2"), "{why}");
}

#[tokio::test]
async fn mail_goes_to_the_recipients_that_the_server_takes() {
    let server = SmtpServer::start("plain");
    let outcome = server.send("none", &[("to", "nobody@example.net, one@example.net")], &outage()).await;
    assert_eq!(outcome, Outcome::Delivered);
    assert_eq!(server.mail().await["to"], json!(["one@example.net"]));
    let outcome = server.send("none", &[("to", "nobody@example.net")], &outage()).await;
    assert!(matches!(&outcome, Outcome::Refused { why } if why.contains("no such mailbox")), "{outcome:?}");
    let outcome = server.send("none", &[("to", "later@example.net")], &outage()).await;
    assert!(matches!(&outcome, Outcome::Retry { why, .. } if why.contains("busy")), "{outcome:?}");
}

/// A message to a visitor, with the link by which they unsubscribe.
fn to_visitor(url: &str) -> Message {
    Message { acknowledge: None, unsubscribe: Some(url.parse().unwrap()), ..outage() }
}

#[tokio::test]
async fn a_mail_to_a_visitor_is_unsubscribed_with_one_click() {
    let server = SmtpServer::start("starttls");
    let mailbox = Mailbox::parse("Reader@Example.net").unwrap();
    let channel = server.channel("starttls", &[("subscriptions", "yes")]).for_visitor(&mailbox).unwrap();
    // Longer than a line of a mail.
    let link = format!("https://uptime.example/subscriptions/unsubscribe?token={}", "a1-_".repeat(11));
    assert_eq!(server.sender().send(&channel, &to_visitor(&link)).await, Outcome::Delivered);
    let mail = server.mail().await;
    assert_eq!(mail["to"], json!(["Reader@example.net"]), "those of the channel get nothing");
    let content = mail["content"].as_str().unwrap();
    assert_eq!(header(content, "To"), "Reader@example.net");
    assert_eq!(header(content, "List-Unsubscribe"), format!("<{link}>"));
    assert_eq!(header(content, "List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
    assert!(body(content).trim_end().ends_with(&format!("Unsubscribe: {link}")), "{}", body(content));

    // Without TLS nobody's program does it for the reader.
    let link = link.replace("https", "http");
    assert_eq!(server.sender().send(&channel, &to_visitor(&link)).await, Outcome::Delivered);
    let mail = server.mail().await;
    let content = mail["content"].as_str().unwrap();
    assert_eq!(header(content, "List-Unsubscribe"), format!("<{link}>"));
    assert!(!content.contains("List-Unsubscribe-Post"), "{content}");
    assert_eq!(server.channel("starttls", &[]).for_visitor(&mailbox), None, "the operator did not allow it");
}

#[tokio::test]
async fn no_outcome_shows_the_mailbox_of_a_visitor() {
    let server = SmtpServer::start("plain");
    let mailbox = Mailbox::parse("nobody.Here@example.net").unwrap();
    let channel = server.channel("none", &[("subscriptions", "yes")]).for_visitor(&mailbox).unwrap();
    let outcome = server.sender().send(&channel, &to_visitor("https://uptime.example/")).await;
    let Outcome::Refused { why } = outcome else { panic!("{outcome:?}") };
    assert!(why.contains("[redacted]") && !why.to_lowercase().contains("nobody"), "{why}");
}
