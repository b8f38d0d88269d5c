//! `Type=notify`, `WatchdogSec=` and `ExecReload=` of the units: the messages of a service to systemd.

use std::{os::unix::net::UnixDatagram, path::Path, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection, SqliteConnection};

use crate::services::Service;

/// The socket of systemd.
struct Manager(UnixDatagram);

impl Manager {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self(socket)
    }

    /// Waits for this message, and ignores others before it.
    #[track_caller]
    fn await_message(&self, message: &str) {
        let mut buffer = [0; 4096];
        loop {
            let length = self.0.recv(&mut buffer).unwrap_or_else(|error| panic!("no {message}: {error}"));
            let said = String::from_utf8_lossy(&buffer[..length]);
            if said.lines().any(|line| line == message) {
                return;
            }
        }
    }
}

/// A service reports that it is ready, alive, reloading and stopping.
fn assert_notifies(command: &str, variables: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("notify");
    let manager = Manager::at(&socket);
    let told = [("NOTIFY_SOCKET", socket.to_str().unwrap()), ("WATCHDOG_USEC", "100000")];
    let service = Service::start(&[command], &[&told, variables].concat());
    for message in ["READY=1", "WATCHDOG=1", "WATCHDOG=1"] {
        manager.await_message(message);
    }
    let signal = |signal| kill_process(Pid::from_child(&service.child), signal).unwrap();
    signal(Signal::HUP);
    for message in ["RELOADING=1", "READY=1", "WATCHDOG=1"] {
        manager.await_message(message);
    }
    signal(Signal::TERM);
    manager.await_message("STOPPING=1");
    service.ended_well();
}

#[test]
fn the_hub_notifies_systemd() {
    assert_notifies("hub", &[]);
}

/// A restart would not help: the database is away for the next process too.
#[tokio::test]
async fn a_hub_whose_database_takes_no_writes_is_alive_for_the_watchdog() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("notify");
    let manager = Manager::at(&socket);
    let told = [("NOTIFY_SOCKET", socket.to_str().unwrap()), ("WATCHDOG_USEC", "2000000")];
    let service = Service::start(&["hub"], &told);
    manager.await_message("READY=1");
    let file = service.folder.path().join("uptime.db");
    let mut database = SqliteConnection::connect(file.to_str().unwrap()).await.unwrap();
    sqlx::raw_sql("BEGIN EXCLUSIVE").execute(&mut database).await.unwrap();
    // One message a second, for longer than a write waits for its turn.
    for _ in 0..10 {
        manager.await_message("WATCHDOG=1");
    }
    database.close().await.unwrap();
    manager.await_message("WATCHDOG=1");
    kill_process(Pid::from_child(&service.child), Signal::TERM).unwrap();
    service.ended_well();
}

/// It works without a hub.
#[test]
fn a_probe_notifies_systemd() {
    assert_notifies("daemon", &[("BACKEND_BASE_URL", "http://127.0.0.1:1"), ("NODE_TOKEN", "token")]);
}
