//! The machine's own files, which are read again when they change.

use std::{fs, path::PathBuf, time::Duration};

use easytier_probe::{AddressPolicy, Blame, FailureCode, Origin, Resolver};
use hickory_resolver::proto::rr::RecordType;
use tokio::time;

use crate::{
    dns::{Zone, a, name_server_of},
    namespace,
    support::{refused, resolved},
};

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn resolver(&self) -> Resolver {
        Resolver::with_files(AddressPolicy::ANY, &self.path("resolv.conf"), &self.path("hosts"))
    }
}

/// Time passes, so that the files are looked at again.
async fn a_second_later() {
    time::pause();
    time::advance(Duration::from_secs(1)).await;
    time::resume();
}

#[tokio::test]
async fn the_names_of_the_machine_are_read_again_when_their_file_changes() {
    let files = Files::new();
    let hosts = files.path("hosts");
    let resolver = files.resolver();
    let targets = async || resolved(&resolver, "tcp://node.lan:1", Origin::Local).await;
    let is_unknown = async || refused(&resolver, "tcp://node.lan:1", Origin::Local).await.message;

    // The file is missing when the program starts.
    assert!(is_unknown().await.contains("no name server is configured"));
    fs::write(&hosts, "192.0.2.1 node.lan\n").unwrap();
    a_second_later().await;
    assert_eq!(targets().await, ["tcp 192.0.2.1:1"]);

    // It is written again, with the same length.
    fs::write(&hosts, "192.0.2.2 node.lan\n").unwrap();
    a_second_later().await;
    assert_eq!(targets().await, ["tcp 192.0.2.2:1"]);

    // It is replaced by another.
    fs::write(files.path("new"), "192.0.2.3 node.lan\n").unwrap();
    fs::rename(files.path("new"), &hosts).unwrap();
    assert_eq!(targets().await, ["tcp 192.0.2.2:1"], "the files are looked at once a second");
    a_second_later().await;
    assert_eq!(targets().await, ["tcp 192.0.2.3:1"]);

    fs::remove_file(&hosts).unwrap();
    a_second_later().await;
    assert!(is_unknown().await.contains("no name server is configured"));
}

/// The name servers of resolv.conf have port 53, so this needs a network of its own.
#[tokio::test]
async fn the_name_servers_are_read_again_when_their_file_changes() {
    if !namespace::has_own("machine::the_name_servers_are_read_again_when_their_file_changes") {
        return;
    }
    let serving = async |address: &str, records: &[(&'static str, [u8; 4])]| {
        let zone = Zone::default();
        zone.set(600, records.iter().map(|(name, ip)| (*name, a(*ip))));
        name_server_of(address, zone.clone()).await;
        zone
    };
    let first = serving("127.0.0.2:53", &[("node.test", [1, 1, 1, 1])]).await;
    serving("127.0.0.3:53", &[("node.test", [1, 1, 1, 2]), ("short.lan.test", [1, 1, 1, 3])]).await;
    let files = Files::new();
    let write = |text: &str| fs::write(files.path("resolv.conf"), text).unwrap();
    let resolver = files.resolver();
    let targets = async |url: &str| resolved(&resolver, url, Origin::Local).await;
    let failure = async |url: &str| refused(&resolver, url, Origin::Local).await;

    // The network comes up after the program.
    assert_eq!(failure("tcp://node.test").await.message, "node.test: no name server is configured");
    write("# nothing yet\n");
    a_second_later().await;
    assert_eq!(failure("tcp://node.test").await.message, "node.test: no name server is configured");
    write("nameserver 127.0.0.2\n");
    a_second_later().await;
    assert_eq!(targets("tcp://node.test:1").await, ["tcp 1.1.1.1:1"]);

    // Nothing changes, so what was learnt is used again. There is no file of names, as in many containers.
    a_second_later().await;
    assert_eq!(targets("tcp://node.test:1").await, ["tcp 1.1.1.1:1"]);
    assert_eq!(first.asked_for("node.test", RecordType::A), 1);

    // The machine joins another network. What was learnt in the old one is forgotten.
    write("nameserver 127.0.0.3\nsearch lan.test\n");
    a_second_later().await;
    assert_eq!(targets("tcp://node.test:1").await, ["tcp 1.1.1.2:1"]);
    assert_eq!(targets("tcp://short:1").await, ["tcp 1.1.1.3:1"]);
    assert_eq!(failure("tcp://nowhere.test").await.code, FailureCode::DnsFailed);
    // That the search domain has no such name does not hide that the name itself may exist.
    assert_eq!(failure("tcp://broken.test").await.code, FailureCode::ProbeUnreachable);
}

#[tokio::test]
async fn a_web_server_that_this_machine_has_no_route_to_is_not_blamed() {
    if !namespace::has_own("machine::a_web_server_that_this_machine_has_no_route_to_is_not_blamed") {
        return;
    }
    let failure = refused(&Files::new().resolver(), "http://192.0.2.1/?token=hunter2", Origin::Local).await;
    assert_eq!((failure.code, failure.blame), (FailureCode::ProbeUnreachable, Blame::Probe));
    assert_eq!(
        failure.message,
        "http://192.0.2.1:80/ cannot be asked: this probe has no IPv4 route to it (192.0.2.1:80)"
    );
}
