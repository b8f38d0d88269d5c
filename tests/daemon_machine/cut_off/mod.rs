//! A probe that loses its name server, its uplink, IPv6, or its file descriptors for a while, under many healthy peers.
//!
//! With `CUT_OFF_SOAK` in the environment there are more peers, and each outage lasts two minutes: see `tools/soak-cut-off`.

mod peers;
mod uplink;

use std::time::Duration;

use easytier_uptime_store::domain::PeerId;
use serde_json::Value;
use tokio::time::sleep;

use self::{
    peers::{Peers, PlannedPeer},
    uplink::Uplink,
};
use crate::{
    http::{data, get},
    hub::Hub,
    namespace,
    program::{Folder, Running},
    support::dns::{Zone, name_server_of},
    until,
};

/// How large the scene is.
struct Scale {
    peers: usize,
    /// How many nodes there are of the older version; there is one more of the current one.
    nodes: usize,
    interval: &'static str,
    timeout: &'static str,
    /// How long each outage lasts after its effects are seen.
    outage: Duration,
}

impl Scale {
    fn of_environment() -> Self {
        match std::env::var_os("CUT_OFF_SOAK") {
            Some(_) => Self { peers: 200, nodes: 3, interval: "5s", timeout: "5s", outage: Duration::from_secs(120) },
            None => Self { peers: 60, nodes: 1, interval: "1s", timeout: "2s", outage: Duration::from_secs(4) },
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_that_is_cut_off_reports_no_peer_offline() {
    if !namespace::has_own("cut_off::a_probe_that_is_cut_off_reports_no_peer_offline") {
        return;
    }
    let scene = Scene::start(Scale::of_environment()).await;
    scene.without_a_name_server(Zone::be_silent).await;
    scene.without_a_name_server(Zone::fail).await;
    scene.without_an_uplink(Uplink::lose_packets, Uplink::pass_packets).await;
    scene.without_an_uplink(Uplink::take_down, Uplink::bring_up).await;
    scene.without_ipv6().await;
    scene.without_descriptors().await;
    scene.end().await;
}

struct Scene {
    scale: Scale,
    uplink: Uplink,
    zone: Zone,
    peers: Peers,
    hub: Hub,
    folder: Folder,
    daemon: Running,
}

impl Scene {
    /// A probe that has found all peers online.
    async fn start(scale: Scale) -> Self {
        let uplink = Uplink::set_up();
        let peers = Peers::start(scale.peers, scale.nodes);
        let zone = Zone::default();
        // No answer is kept, so every new session needs the name server.
        let records: Vec<_> = peers.all.iter().filter(|peer| peer.is_named()).map(|peer| peer.record()).collect();
        zone.set(0, records.iter().map(|(name, data)| (name.as_str(), data.clone())));
        name_server_of(&format!("{}:53", uplink::NAME_SERVER), zone.clone()).await;
        let hub = Hub::start_at(&format!("{}:0", uplink::HUB)).await;
        peers.list_at(&hub).await;
        let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
        folder.set(&[
            ("SERVER_HOST", uplink::API),
            ("HEALTH_CHECK_INTERVAL", scale.interval),
            ("HEALTH_CHECK_TIMEOUT", scale.timeout),
        ]);
        let daemon = Running::of(uplink.daemon(&folder)).await;
        let scene = Self { scale, uplink, zone, peers, hub, folder, daemon };
        scene.until_all_are_online().await;
        scene
    }

    async fn without_a_name_server(&self, take_away: impl FnOnce(&Zone)) {
        take_away(&self.zone);
        self.join_some_anew(0).await;
        let affected = self.peers.count(|peer| is_some(peer, 0) && peer.is_named());
        until("peers that cannot be looked up", async || self.watched("unknown").await >= affected).await;
        self.last().await;
        self.zone.recover();
        self.until_all_are_online().await;
    }

    async fn without_an_uplink(&self, take_away: impl FnOnce(&Uplink), give_back: impl FnOnce(&Uplink)) {
        take_away(&self.uplink);
        until("a degraded probe", async || {
            self.assert_none_was_offline();
            self.is_degraded().await
        })
        .await;
        self.last().await;
        assert!(self.is_degraded().await, "the probe is still cut off");
        give_back(&self.uplink);
        self.until_all_are_online().await;
        until("a probe that is not degraded", async || !self.is_degraded().await).await;
    }

    async fn without_ipv6(&self) {
        self.uplink.disable_ipv6();
        let affected = self.peers.count(|peer| peer.is_ipv6());
        until("peers that cannot be reached", async || self.watched("unknown").await >= affected * 3 / 4).await;
        self.last().await;
        self.uplink.enable_ipv6();
        self.until_all_are_online().await;
    }

    /// The probe keeps the descriptors that it has, and gets no new one.
    async fn without_descriptors(&self) {
        let limit = descriptor_limit(&self.daemon);
        let before = self.daemon.log_with("code=\"internal\"").len();
        set_descriptor_limit(&self.daemon, 3);
        self.join_some_anew(1).await;
        let affected = self.peers.count(|peer| is_some(peer, 1));
        self.daemon.await_log_times("code=\"internal\"", before + affected / 2).await;
        self.last().await;
        set_descriptor_limit(&self.daemon, limit);
        self.until_all_are_online().await;
    }

    /// Lets the outage last, in which no peer is called offline.
    async fn last(&self) {
        sleep(self.scale.outage).await;
        self.assert_none_was_offline();
    }

    /// Has some of the peers joined anew: a third of them, of which `nth` is the first.
    async fn join_some_anew(&self, nth: usize) {
        for (peer, node) in self.peers.all.iter().zip(1..) {
            if is_some(peer, nth) {
                // A change of this setting is one of how the peer is checked.
                self.hub
                    .edit(PeerId(node), |spec| {
                        let timeout =
                            spec.timeout.map_or(Duration::from_secs(4), |timeout| timeout + Duration::from_secs(1));
                        spec.timeout = Some(timeout);
                    })
                    .await;
            }
        }
    }

    /// Waits until all peers are online, and all checks that began before have ended.
    async fn until_all_are_online(&self) {
        let all = self.scale.peers;
        until("all peers online", async || self.watched("online").await == all).await;
        let checks = self.online_checks().await;
        until("more checks of every peer", async || self.online_checks().await >= checks + 3 * all).await;
        assert_eq!(self.watched("online").await, all);
        self.assert_none_was_offline();
    }

    #[track_caller]
    fn assert_none_was_offline(&self) {
        let lines = self.daemon.log_with(" offline: ");
        assert!(lines.is_empty(), "{} peers were called offline:\n{}", lines.len(), lines.join("\n"));
    }

    async fn watched(&self, status: &str) -> usize {
        self.daemon.figure(&format!("peers_watched{{status=\"{status}\"}}")).await as usize
    }

    async fn online_checks(&self) -> usize {
        self.daemon.figure("checks_total{status=\"online\",code=\"\"}").await as usize
    }

    async fn is_degraded(&self) -> bool {
        get(&format!("{}/health", self.daemon.url)).await.1.contains("degraded: this probe seems to be cut off")
    }

    /// Looks at all results that the probe and the hub have.
    async fn end(self) {
        let Self { scale, hub, folder, daemon, .. } = self;
        assert_no_unhealthy_result(&daemon.url, scale.peers).await;
        until("all peers up at the hub", async || {
            crate::http::nodes(&hub.url()).await.iter().filter(|node| node["is_active"] == true).count() == scale.peers
        })
        .await;
        let log = daemon.stop().await;
        assert!(!log.contains(" offline: ") && !log.contains("panicked"), "{log}");
        assert_no_unhealthy_result(&hub.url(), scale.peers).await;
        let events = data(&hub.url(), "/api/events?limit=1000").await["events"].clone();
        let events = events.as_array().expect("a list").iter();
        let down: Vec<&Value> = events.filter(|event| event["kind"] == "peer" && event["became"] == "down").collect();
        assert!(down.is_empty(), "{down:#?}");
        drop(folder);
    }
}

fn is_some(peer: &PlannedPeer, nth: usize) -> bool {
    peer.position() / 2 % 3 == nth
}

/// Asserts that no result in the history at `base` says that a peer is offline.
async fn assert_no_unhealthy_result(base: &str, peers: usize) {
    for node in 1..=peers {
        let results = data(base, &format!("/api/nodes/{node}/health?status=unhealthy")).await;
        assert_eq!(results["items"], serde_json::json!([]), "{base}");
    }
}

fn descriptor_limit(daemon: &Running) -> u64 {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Sets the soft limit, which is the one that counts.
fn set_descriptor_limit(daemon: &Running, limit: u64) {
    namespace::system("prlimit", &["--pid", &daemon.pid().to_string(), &format!("--nofile={limit}:")]);
}
