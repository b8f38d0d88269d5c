//! Measures the pages in a browser for the figures in docs/performance.md.
//!
//! `cargo bench -p easytier-uptime --bench pages`. A hub in this process serves a list of 100 nodes and one of 1,000,
//! each with a day of history from three regions. tests/browser/measure loads the lists in Chromium. Needs the packages
//! that tools/setup installs.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a bench fails by a panic, and prints")]

mod history;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Command,
    time::Duration,
};

use easytier_probe::{CheckOptions, Checker};
use easytier_uptime_hub::WebOptions;
use easytier_uptime_store::{HubKey, Location, Store, StoreOptions, domain::Timestamp};
use tokio::net::TcpListener;

/// The number of nodes of each hub, and the path of the measured list: all 100 nodes, and the first page of 1,000.
const LISTS: [(usize, &str); 2] = [(100, "/?per_page=100"), (1_000, "/")];

#[tokio::main]
async fn main() {
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    let measure = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/browser/measure");
    for (nodes, list) in LISTS {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path()).await;
        history::write(&store, nodes).await;
        let address = serve(store.clone()).await;
        println!("\n{nodes} nodes");
        let mut command = Command::new(&measure);
        command.arg(&output).arg(format!("http://{address}{list}"));
        let ended = tokio::task::spawn_blocking(move || command.status()).await.expect("it does not panic");
        assert!(ended.expect("a shell is there").success(), "tests/browser/measure failed");
        store.close().await;
    }
}

async fn open(folder: &Path) -> Store {
    let options = StoreOptions::new(Location::Sqlite(folder.join("uptime.db")), HubKey::generate());
    Store::open(options, Timestamp::now()).await.expect("a new database")
}

async fn serve(store: Store) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let router = easytier_uptime_hub::router(store, Checker::new(CheckOptions::default()), WebOptions::default(), None);
    tokio::spawn(easytier_uptime_hub::serve(listener, router, std::future::pending(), Duration::ZERO));
    address
}
