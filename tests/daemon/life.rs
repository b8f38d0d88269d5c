//! Signals, reloads, and messages to systemd.

use std::{net::TcpListener, os::unix::net::UnixDatagram, path::Path, time::Duration};

use easytier_probe::Scheme;
use rustix::process::Signal;

use crate::{
    NEVER, await_checks, http,
    hub::Hub,
    node,
    program::{Folder, Running},
    support::{
        fake,
        proxy::{Fault, Faulty},
    },
    until,
};

/// Longer than any test lasts.
const FOR_EVER: &str = "1h";

#[tokio::test]
async fn checks_in_flight_are_finished_and_stored_on_sigterm() {
    let hub = Hub::start().await;
    let silent = fake::silent().await;
    let slow = hub.add(silent.url(Scheme::Tcp)).await;
    let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
    folder.set(&[("HEALTH_CHECK_TIMEOUT", "4s"), ("HEALTH_CHECK_INTERVAL", FOR_EVER)]);
    let daemon = folder.daemon().await;
    until("the check to begin", async || silent.arrived() > 0).await;
    assert_eq!(daemon.log_with("handshake_timeout"), [""; 0], "the check ends only after the signal");
    let log = daemon.stop().await;
    assert!(log.contains("handshake_timeout"), "the check was finished: {log}");

    // The result is on disk, and the daemon delivers it after the next start.
    folder.set(&[("PROBE_SCHEDULE", NEVER), ("HEALTH_CHECK_TIMEOUT", FOR_EVER)]);
    let daemon = folder.daemon().await;
    folder.await_history().await;
    assert_eq!(daemon.checks(1).await, 1);
    until("the check at the hub", async || hub.checks(slow).await == 1).await;
}

/// The check never ends, and the hub accepts every request and answers none.
#[tokio::test]
async fn neither_a_check_nor_the_hub_delays_the_end_for_long() {
    let hub = Hub::start().await;
    let silent = fake::silent().await;
    hub.add(silent.url(Scheme::Tcp)).await;
    for schedule in ["", "@every 1s"] {
        let proxy = Faulty::to(hub.address, Fault::None).await;
        let folder = Folder::of_probe(&proxy.url(), &hub.token("probe-1").await);
        folder.set(&[("HEALTH_CHECK_TIMEOUT", FOR_EVER), ("PROBE_SCHEDULE", schedule)]);
        let before = silent.arrived();
        let daemon = folder.daemon().await;
        until("the check to begin", async || silent.arrived() > before).await;
        proxy.set(Fault::Stall);
        for kind in ["get /peers", "put /nodes/status"] {
            until(kind, async || proxy.taken().iter().any(|(_, line)| line.starts_with(kind))).await;
        }
        let asked = tokio::time::Instant::now();
        daemon.stop().await;
        assert!(asked.elapsed() < Duration::from_secs(11), "the daemon took {:?} to stop", asked.elapsed());
    }
}

#[tokio::test]
async fn a_second_signal_ends_the_daemon_at_once() {
    let hub = Hub::start().await;
    let silent = fake::silent().await;
    hub.add(silent.url(Scheme::Tcp)).await;
    let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
    folder.set(&[("HEALTH_CHECK_TIMEOUT", FOR_EVER)]);
    let daemon = folder.daemon().await;
    until("the check to begin", async || silent.arrived() > 0).await;
    daemon.signal(Signal::TERM);
    daemon.await_log("a second signal stops at once").await;
    daemon.signal(Signal::INT);
    let (status, log) = daemon.ended().await;
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("stopped at once"), "{log}");
}

#[tokio::test]
async fn sighup_applies_a_valid_configuration_and_ignores_an_invalid_one() {
    let (hub, node) = (Hub::start().await, node());
    let peer = hub.add(node.url(Scheme::Tcp).to_string()).await;
    let token = hub.token("probe-1").await;
    let folder = Folder::of_probe(&hub.url(), &token);
    std::fs::write(folder.file("probe.toml"), "health_check_interval = \"500ms\"\n").unwrap();
    folder.set(&[("CONFIG_FILE", "probe.toml"), ("HEALTH_CHECK_INTERVAL", "")]);
    let daemon = folder.daemon().await;
    until("checks at the hub", async || hub.checks(peer).await > 2).await;

    // Invalid: the daemon keeps its configuration and logs the mistakes.
    folder.set(&[("PROBE_SCHEDULE", "0 61 * * * *"), ("STATUS_REPORT_INTERVAL", "soon")]);
    daemon.signal(Signal::HUP);
    daemon.await_log("Nothing changes").await;
    assert!(!daemon.log_with("at character 3").is_empty() && !daemon.log_with("STATUS_REPORT_INTERVAL").is_empty());
    await_checks(&daemon, 1, 2).await;
    assert_eq!(daemon.log_with("restarting with the new configuration"), [""; 0]);

    // An address in use is invalid as well.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    folder.set(&[("PROBE_SCHEDULE", ""), ("STATUS_REPORT_INTERVAL", "1s"), ("SERVER_PORT", &port)]);
    daemon.signal(Signal::HUP);
    daemon.await_log("choose another address with SERVER_HOST and SERVER_PORT").await;
    await_checks(&daemon, 1, 2).await;

    // So is a database that cannot be opened.
    let nowhere = folder.file("absent/uptime.db");
    folder.set(&[("DATABASE_PATH", nowhere.to_str().unwrap()), ("SERVER_PORT", "0")]);
    daemon.signal(Signal::HUP);
    daemon.await_log("absent/uptime.db").await;
    await_checks(&daemon, 1, 2).await;
    folder.set(&[("DATABASE_PATH", ""), ("SERVER_PORT", &port)]);

    // Valid: the interval of the TOML file, the log level, the port.
    drop(taken);
    std::fs::write(folder.file("probe.toml"), "health_check_interval = \"2h\"\nrust_log = \"debug\"\n").unwrap();
    let line = daemon.reload_until("the probe listens").await;
    assert!(line.contains(&format!("127.0.0.1:{port}")), "{line}");
    daemon.await_log("DEBUG").await;
    let url = format!("http://127.0.0.1:{port}");
    until("the API at the new port", async || {
        http::client().get(format!("{url}/health")).send().await.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
    assert!(http::client().get(format!("{}/health", daemon.url)).send().await.is_err(), "the old port is closed");
    until("the interval in the registry", async || {
        let server = hub.server(&token, "probe-1").await.unwrap();
        server["check_interval"] == 7200 && server["status"] == "online" && server["port"].as_u64() == port.parse().ok()
    })
    .await;
    // The history is the same.
    assert!(http::checks(&url, 1).await > 2);
    daemon.stop().await;
}

#[tokio::test]
async fn sighup_shows_the_password_of_a_new_database() {
    let folder = Folder::new();
    let standalone = folder.start(&[]).await;
    let passwords = || {
        let printed = standalone.printed().into_iter();
        printed.filter(|line| line.starts_with("admin password: ")).collect::<Vec<_>>()
    };
    until("a password", async || !passwords().is_empty()).await;
    folder.set(&[("DATABASE_PATH", "another.db")]);
    standalone.signal(Signal::HUP);
    until("the other password", async || passwords().len() == 2).await;
    assert_ne!(passwords()[0], passwords()[1]);
    // The line for programs is printed once.
    assert_eq!(standalone.printed().iter().filter(|line| line.starts_with("listening on")).count(), 1);
}

/// Only the host changes, so that the daemon's old socket blocks the port.
#[tokio::test]
async fn sighup_moves_the_listener_to_another_address_with_the_same_port() {
    let hub = Hub::start().await;
    let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    folder.set(&[("SERVER_PORT", &port)]);
    let daemon = folder.daemon().await;
    folder.set(&[("SERVER_HOST", "0.0.0.0")]);
    let line = daemon.reload_until("the probe listens").await;
    assert!(line.contains(&format!("0.0.0.0:{port}")), "{line}");
    until("an answer", async || {
        http::client().get(format!("{}/health", daemon.url)).send().await.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
}

/// The socket of systemd.
struct Systemd(UnixDatagram);

impl Systemd {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self(socket)
    }

    /// Waits for a message with this line.
    async fn await_message(&self, line: &str) {
        until(line, async || {
            let mut message = [0; 4096];
            let Ok(length) = self.0.recv(&mut message) else { return false };
            String::from_utf8_lossy(&message[..length]).lines().any(|said| said == line)
        })
        .await;
    }
}

#[tokio::test]
async fn an_address_in_use_is_an_error_at_the_start() {
    let folder = Folder::of_probe("http://127.0.0.1:9", "token");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    folder.set(&[("SERVER_PORT", &taken.local_addr().unwrap().port().to_string())]);
    let said = folder.refusal(&["daemon"]).await;
    assert!(said.contains("cannot listen at") && said.contains("SERVER_PORT"), "{said}");
}

#[tokio::test]
async fn systemd_gets_status_and_watchdog_messages() {
    let hub = Hub::start().await;
    let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
    let path = folder.file("notify");
    for mode in [&["daemon"][..], &[]] {
        let _ = std::fs::remove_file(&path);
        let systemd = Systemd::at(&path);
        let mut command = folder.command(mode);
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
        let daemon = Running::of(command).await;
        systemd.await_message("READY=1").await;
        systemd.await_message("WATCHDOG=1").await;
        systemd.await_message("WATCHDOG=1").await;
        daemon.signal(Signal::HUP);
        systemd.await_message("RELOADING=1").await;
        systemd.await_message("READY=1").await;
        daemon.signal(Signal::TERM);
        systemd.await_message("STOPPING=1").await;
        assert_eq!(daemon.ended().await.0.code(), Some(0));
    }
}
