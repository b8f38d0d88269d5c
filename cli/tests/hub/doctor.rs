//! `hub doctor`, with a real hub. What is wrong by which figures, the tables in `cli/src/hub/doctor/judge/tests.rs` say.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
    thread,
};

use chrono::{Datelike, TimeDelta, Utc};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use serde_json::Value;

use crate::{
    assert_contains, folder_of_hub,
    support::{Hub, run_with, text},
};

/// Exit code, and the findings by what was looked at: severity and words.
fn doctor(folder: &Path, variables: &[(&str, &str)]) -> (i32, impl Fn(&str) -> (String, String) + use<>) {
    let output = run_with(folder, &["hub", "doctor", "--json"], variables, "");
    let document: Value = serde_json::from_str(&text(&output.stdout)).unwrap_or_else(|_| panic!("{output:?}"));
    let code = output.status.code().unwrap();
    assert_eq!(document["ok"], code == 0, "{document}");
    let of = move |check: &str| {
        let findings = document["findings"].as_array().unwrap();
        let finding =
            findings.iter().find(|one| one["check"] == check).unwrap_or_else(|| panic!("{check}: {document}"));
        let words = [&finding["found"], &finding["advice"]].map(|words| words.as_str().unwrap_or_default());
        (finding["severity"].as_str().unwrap().to_owned(), words.join("; "))
    };
    (code, of)
}

#[track_caller]
fn assert_finding((severity, words): (String, String), wanted: &str, parts: &[&str]) {
    assert_eq!(severity, wanted, "{words}");
    assert_contains(&words, parts);
}

#[test]
fn the_doctor_finds_nothing_at_a_hub_that_works_and_says_what_to_do_where_something_is_wrong() {
    let folder = folder_of_hub();
    let folder = folder.path();
    let hub = Hub::start(folder);
    let port = hub.url.rsplit_once(':').unwrap().1.to_owned();
    let at = ("SERVER_PORT", port.as_str());
    let (code, of) = doctor(folder, &[at]);
    assert_eq!(code, 0, "{:?}", of("port"));
    assert_finding(of("database"), "ok", &["'uptime.db'", "no damage"]);
    assert_finding(of("key"), "ok", &["fits"]);
    assert_finding(of("clock"), "ok", &["no results yet"]);
    assert_finding(of("port"), "ok", &["a hub answers at 127.0.0.1", "the hub works"]);
    assert_finding(of("proxies"), "ok", &[]);
    assert_finding(of("public URL"), "skipped", &["PUBLIC_URL"]);
    let lines = text(&run_with(folder, &["hub", "doctor"], &[at], "").stdout);
    assert!(lines.lines().count() == 8 && lines.starts_with("ok       configuration  it is valid\n"), "{lines}");

    hub.get("/health", &[("x-forwarded-for", "198.51.100.7")]);
    let (code, of) = doctor(folder, &[at, ("PUBLIC_URL", &hub.url)]);
    assert_eq!(code, 1);
    assert_finding(of("proxies"), "problem", &["TRUSTED_PROXIES"]);
    assert_finding(of("public URL"), "warning", &["without encryption"]);
    hub.stop();

    let key = folder.join("uptime.db.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, of) = doctor(folder, &[at]);
    assert_eq!(code, 0);
    assert_finding(of("key"), "warning", &["chmod 600"]);
    assert_finding(of("port"), "ok", &["is free"]);

    let other = ("HUB_KEY", &*"5e".repeat(32));
    let (code, of) = doctor(folder, &[at, other]);
    assert_eq!(code, 1);
    assert_finding(of("key"), "problem", &["another key", "HUB_KEY"]);
    assert_finding(of("clock"), "skipped", &[]);

    let (code, of) = doctor(folder, &[("SERVER_PORT", "port")]);
    assert_eq!(code, 1);
    assert_finding(of("configuration"), "problem", &["SERVER_PORT"]);
}

/// Answers requests until the end of the test.
fn serve(listener: TcpListener, mut answer: impl FnMut(TcpStream) -> std::io::Result<()> + Send + 'static) {
    thread::spawn(move || {
        listener.incoming().try_for_each(|stream| {
            // A client that goes away ends nothing.
            drop(answer(stream?));
            Ok::<_, std::io::Error>(())
        })
    });
}

fn respond(stream: &mut (impl Read + Write), status: &str, body: &str) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    write!(stream, "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())?;
    stream.flush()
}

#[test]
fn another_program_at_the_port_and_a_certificate_that_ends_soon_are_found() {
    let folder = folder_of_hub();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    serve(listener, |mut stream| respond(&mut stream, "404 Not Found", "nothing"));

    let mut certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]);
    let end = Utc::now() + TimeDelta::days(10);
    certificate.not_after = rcgen::date_time_ymd(end.year(), end.month() as u8, end.day() as u8);
    let certificate = rcgen::Certificate::from_params(certificate).unwrap();
    let roots = folder.path().join("roots.pem");
    fs::write(&roots, certificate.serialize_pem().unwrap()).unwrap();
    let chain = vec![CertificateDer::from(certificate.serialize_der().unwrap())];
    let private = PrivateKeyDer::try_from(certificate.serialize_private_key_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, private).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let public = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let health = r#"{"success": true, "data": null, "error": null, "message": "the hub works"}"#;
    serve(listener, move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).map_err(std::io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        respond(&mut stream, "200 OK", health)?;
        stream.conn.send_close_notify();
        stream.flush()
    });

    let at = [("SERVER_PORT", port.as_str()), ("PUBLIC_URL", public.as_str())];
    let roots = roots.display().to_string();
    let (code, of) = doctor(folder.path(), &[at[0], at[1], ("SSL_CERT_FILE", roots.as_str())]);
    assert_eq!(code, 1);
    assert_finding(of("port"), "problem", &["does not answer as a hub", "404"]);
    assert_finding(of("public URL"), "warning", &["ends in ", " days"]);
    assert_finding(of("proxies"), "warning", &["TRUSTED_PROXIES is empty"]);
    let (_, of) = doctor(folder.path(), &at);
    assert_finding(of("public URL"), "problem", &["does not answer: ", "certificate"]);
}
