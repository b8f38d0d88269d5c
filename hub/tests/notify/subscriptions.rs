//! Visitors who subscribe by mail: from the form on the page of a node to the mails about it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::http::{Request, StatusCode};
use easytier_probe::Secret;
use easytier_uptime_alerts::{Message, Outcome, Topic};
use easytier_uptime_hub::{
    notify::Deliverer,
    service::{
        FieldProblem,
        alerts::{ChannelChange, Messenger, NewChannel, Settings},
        rotate_key,
    },
};
use easytier_uptime_store::{
    HubKey, Store,
    domain::{PeerId, Timestamp},
};
use futures::future::{BoxFuture, FutureExt, ready};
use url::Url;

use crate::{
    alerts,
    http::{PublicHub, Reply},
    scene::{Hub, add},
    support::{Engine, TestStore, on_both_engines},
};

on_both_engines! {
    who_reads_the_mailbox_confirms_and_is_told_of_an_outage_and_its_end,
    only_who_was_told_of_an_outage_is_told_of_its_end,
    two_hundred_nodes_that_go_down_are_one_mail,
    a_hub_with_a_new_key_knows_its_visitors_and_sends_links_that_work,
}

const ONE_CLICK: &str = "List-Unsubscribe=One-Click";

/// Nodes that are up, at a hub with a channel that serves visitors.
struct Scene {
    hub: Hub,
    site: PublicHub,
    nodes: Vec<PeerId>,
}

impl Scene {
    async fn new(test: TestStore, count: usize) -> Self {
        let mut hub = Hub::at(test, Timestamp::now() - Duration::from_secs(7200)).await;
        serve_visitors(&hub.test, "yes").await;
        let mut nodes = Vec::new();
        for nth in 0..count {
            nodes.push(add(&hub, &format!("node-{nth}")).await);
        }
        hub.check(&nodes, &[], 60).await;
        let site = site(hub.test.clone()).await;
        Self { hub, site, nodes }
    }

    /// Asks for mails about a node, from a network of the caller's own.
    async fn ask(&self, node: PeerId, address: &str, network: u8) -> Reply {
        let own = format!("http://{}", self.site.address);
        let request = Request::post(format!("/nodes/{node}/subscribe")).header("accept", "text/html");
        let request = request.header("origin", own).header("x-forwarded-for", format!("198.51.{network}.7"));
        self.site.send(request, serde_html_form::to_string([("address", address)]).unwrap()).await
    }

    /// The mails that wait, with their addresses. They are sent.
    async fn mails(&self) -> Vec<(String, Message)> {
        let mut mails = Vec::new();
        loop {
            let claimed = self.hub.test.claim_mails(Duration::from_secs(60), 100, Timestamp::now()).await.unwrap();
            if claimed.is_empty() {
                return mails;
            }
            for mail in claimed {
                self.hub.test.end_mail(&mail, &easytier_uptime_store::domain::DeliveryEnd::Sent).await.unwrap();
                mails.push((mail.address.expose().to_owned(), serde_json::from_str(&mail.message).unwrap()));
            }
        }
    }

    async fn titles(&self) -> Vec<(String, String)> {
        self.mails().await.into_iter().map(|(address, mail)| (address, mail.title)).collect()
    }

    /// Subscribes to nodes, and returns the link by which the mailbox unsubscribes.
    async fn subscribe(&self, nodes: &[PeerId], address: &str, network: u8) -> Url {
        for node in nodes {
            assert_eq!(self.ask(*node, address, network).await.status, StatusCode::OK);
        }
        let (to, mail) = self.mails().await.pop().unwrap();
        assert_eq!(to, address);
        let done = self.press(&mail, "confirm", "all").await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{done:?}");
        mail.unsubscribe.unwrap()
    }

    /// A button of the page of the link in a mail.
    async fn press(&self, mail: &Message, name: &str, value: &str) -> Reply {
        let own = format!("http://{}", self.site.address);
        let form = [("token", token(mail.url.as_ref().unwrap())), (name, value.to_owned())];
        let request = Request::post("/subscriptions").header("origin", own);
        self.site.send(request, serde_html_form::to_string(form).unwrap()).await
    }

    /// What the mailbox of a mail is subscribed to: the names, and whether each is confirmed.
    async fn nodes_of(&self, mail: &Message) -> Vec<(String, bool)> {
        let token = mailbox_in(&token(mail.url.as_ref().unwrap()));
        let known = self.hub.test.subscriber(token, Timestamp::now()).await.unwrap();
        known
            .map(|known| known.nodes.into_iter().map(|node| (node.name, node.is_confirmed)).collect())
            .unwrap_or_default()
    }
}

/// The hash of the mailbox in a token.
fn mailbox_in(token: &str) -> uuid::Uuid {
    let bytes = data_encoding::BASE64URL_NOPAD.decode(token.as_bytes()).unwrap();
    uuid::Uuid::from_slice(&bytes[..16]).unwrap()
}

fn token(url: &Url) -> String {
    url.query_pairs().find(|(name, _)| name == "token").unwrap().1.into_owned()
}

fn path(url: &Url) -> String {
    assert_eq!(url.origin().ascii_serialization(), "https://status.example");
    format!("{}?{}", url.path(), url.query().unwrap())
}

async fn site(test: TestStore) -> PublicHub {
    PublicHub::with(test, |options| options.public_url = Some("https://status.example".parse().unwrap())).await
}

async fn serve_visitors(store: &Store, subscriptions: &str) {
    let settings = [
        ("server", "smtp.example"),
        ("from", "uptime@status.example"),
        ("to", "ops@status.example"),
        ("subscriptions", subscriptions),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    alerts(store).add_channel(NewChannel { name: "post".into(), kind: "mail".into(), settings }).await.unwrap();
}

async fn read(site: &PublicHub, path: &str, language: &str) -> Reply {
    site.send(Request::get(path).header("accept", "text/html").header("accept-language", language), "").await
}

async fn who_reads_the_mailbox_confirms_and_is_told_of_an_outage_and_its_end(test: TestStore) {
    let mut scene = Scene::new(test, 2).await;
    let (a, b) = (scene.nodes[0], scene.nodes[1]);
    let page = read(&scene.site, &format!("/nodes/{a}"), "en").await;
    assert!(page.text().contains(&format!("action=\"/nodes/{a}/subscribe\"")), "{}", page.text());
    for _ in 0..2 {
        assert_eq!(scene.ask(a, "Reader@Example.net", 1).await.status, StatusCode::OK);
    }
    let mut mails = scene.mails().await;
    assert_eq!(mails.len(), 1, "{mails:?}");
    let (address, mail) = mails.remove(0);
    assert_eq!((address.as_str(), mail.topic), ("Reader@example.net", Topic::Subscription));
    assert!(mail.title.contains("node-0") && mail.lines[0].contains("status.example"), "{mail:?}");

    // Scanners of mails follow links.
    for link in [&mail.url, &mail.unsubscribe] {
        let path = path(link.as_ref().unwrap());
        for language in ["en", "zh"] {
            let page = read(&scene.site, &path, language).await;
            assert_eq!((page.status, page.header("cache-control")), (StatusCode::OK, Some("no-store")), "{page:?}");
            assert!(page.text().contains("node-0") && page.text().contains("R…@example.net"), "{}", page.text());
        }
        scene.site.send(Request::head(&path), "").await;
    }
    assert_eq!(scene.nodes_of(&mail).await, [("node-0".to_owned(), false)]);
    let form = [("token", token(mail.url.as_ref().unwrap())), ("confirm", "all".to_owned())];
    let form = serde_html_form::to_string(form).unwrap();
    for origin in [None, Some("https://evil.example")] {
        let request = Request::post("/subscriptions");
        let request = if let Some(origin) = origin { request.header("origin", origin) } else { request };
        assert_eq!(scene.site.send(request, form.clone()).await.status, StatusCode::FORBIDDEN, "{origin:?}");
    }
    assert_eq!(scene.nodes_of(&mail).await, [("node-0".to_owned(), false)]);
    assert_eq!(scene.press(&mail, "confirm", &a.to_string()).await.status, StatusCode::SEE_OTHER);
    // A node that is asked for on the same day appears on the same page.
    scene.ask(b, "reader@example.net", 1).await;
    assert!(scene.mails().await.is_empty());
    assert_eq!(scene.nodes_of(&mail).await, [("node-0".to_owned(), true), ("node-1".to_owned(), false)]);

    scene.hub.check(&[], &scene.nodes, 150).await;
    let told = scene.mails().await;
    assert_eq!(told.len(), 1, "{told:?}");
    let (address, outage) = &told[0];
    assert_eq!((address.as_str(), outage.title.as_str()), ("Reader@example.net", "node-0 is down"));
    assert_eq!(outage.acknowledge, None, "a visitor does not acknowledge");
    assert_eq!(outage.url.as_ref().unwrap().path(), format!("/nodes/{a}"));
    assert!(alerts(&scene.hub.test).conditions().await.unwrap().is_empty(), "the operator's list has no visitors");
    scene.hub.restart(60);
    scene.hub.planner = easytier_uptime_hub::notify::Planner::new(
        scene.hub.test.store.clone(),
        Some("https://status.example".parse().unwrap()),
    );
    scene.hub.check(&scene.nodes, &[], 600).await;
    let told = scene.titles().await;
    assert_eq!(told, [("Reader@example.net".to_owned(), "node-0 is up again".to_owned())]);

    // A mail program, for a reader whose mail is years old.
    let link = path(outage.unsubscribe.as_ref().unwrap());
    let parts = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";
    for (body, kind) in [(ONE_CLICK, "application/x-www-form-urlencoded"), (parts, "multipart/form-data; boundary=x")] {
        let request = Request::post(&link).header("content-type", kind).header("origin", "https://mail.example");
        let done = scene.site.send(request.header("accept", "text/html"), body).await;
        assert_eq!(done.status, StatusCode::OK, "{done:?}");
        assert!(done.text().contains("Unsubscribed"), "{}", done.text());
    }
    assert_eq!(scene.hub.test.subscription_counts().await.unwrap(), Default::default());
    let page = read(&scene.site, &path(mail.url.as_ref().unwrap()), "zh").await;
    assert!(page.text().contains("此邮箱没有任何订阅"), "{}", page.text());
}

async fn only_who_was_told_of_an_outage_is_told_of_its_end(test: TestStore) {
    let mut scene = Scene::new(test, 2).await;
    let (a, b) = (scene.nodes[0], scene.nodes[1]);
    scene.subscribe(&[a], "early@example.net", 1).await;
    let gone = scene.subscribe(&[a], "gone@example.net", 1).await;
    scene.subscribe(&[b], "other@example.net", 1).await;
    scene.hub.check(&[b], &[a], 150).await;
    let mut told = scene.titles().await;
    told.sort();
    let down = |address: &str| (address.to_owned(), "node-0 is down".to_owned());
    assert_eq!(told, [down("early@example.net"), down("gone@example.net")]);
    scene.subscribe(&[a], "late@example.net", 1).await;
    scene.site.send(Request::post(path(&gone)), ONE_CLICK).await;
    scene.hub.check(&scene.nodes, &[], 600).await;
    assert_eq!(scene.titles().await, [("early@example.net".to_owned(), "node-0 is up again".to_owned())]);
}

async fn two_hundred_nodes_that_go_down_are_one_mail(test: TestStore) {
    let mut scene = Scene::new(test, 200).await;
    // As the form does it, which takes 60 posts a minute from one address.
    scene.subscribe(&scene.nodes[..1], "reader@example.net", 1).await;
    let all: Vec<String> = scene.nodes.iter().map(|node| format!("(1, {node}, 0, 1)")).collect();
    let sql = format!(
        "INSERT INTO subscriptions (subscriber_id, peer_id, asked_at, confirmed_at) VALUES {} ON CONFLICT DO NOTHING",
        all.join(",")
    );
    scene.hub.test.run_sql(&sql).await;
    // They do not go down at the same second.
    let (first, rest) = scene.nodes.split_at(100);
    scene.hub.check(rest, first, 25).await;
    scene.hub.check(&[], &scene.nodes, 125).await;
    let told = scene.titles().await;
    assert_eq!(told, [("reader@example.net".to_owned(), "200 nodes are down".to_owned())]);
}

#[tokio::test]
async fn the_answer_is_the_same_for_each_mailbox() {
    let scene = Scene::new(TestStore::new(Engine::Sqlite).await, 1).await;
    let node = scene.nodes[0];
    scene.subscribe(&[node], "known@example.net", 1).await;
    let mut answers = Vec::new();
    for (address, network) in [("new@example.net", 1), ("known@example.net", 1), ("NEW+tag@example.net", 2)] {
        answers.push(scene.ask(node, address, network).await);
    }
    for nth in 0..6 {
        answers.push(scene.ask(node, &format!("more-{nth}@example.net"), 1).await);
    }
    let first = &answers[0];
    assert!(first.text().contains("If mails can be sent to this mailbox"), "{}", first.text());
    for answer in &answers {
        assert_eq!((answer.status, answer.text()), (first.status, first.text()));
    }
    // Three more: with `known` and `new` they are five of this network.
    assert_eq!(scene.mails().await.len(), 4);

    for wrong in ["", "nobody", "a@localhost", "a@example.net\r\nBcc: b@example.net"] {
        let refused = scene.ask(node, wrong, 3).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{wrong}");
        assert!(refused.text().contains("aria-invalid=\"true\""), "{}", refused.text());
    }
    assert_eq!(scene.ask(PeerId(999), "a@example.net", 3).await.status, StatusCode::NOT_FOUND);
    assert!(scene.mails().await.is_empty());
}

#[tokio::test]
async fn wrong_links_do_nothing_and_guesses_are_limited() {
    let scene = Scene::new(TestStore::new(Engine::Sqlite).await, 1).await;
    let link = scene.subscribe(&scene.nodes, "reader@example.net", 1).await;
    let good = path(&link);
    let changed = if good.ends_with('A') { "B" } else { "A" };
    let wrong = format!("{}{changed}", &good[..good.len() - 1]);
    for path in ["/subscriptions", "/subscriptions/unsubscribe?token=x", &wrong] {
        assert_eq!(read(&scene.site, path, "en").await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let post = async |path: &str, body: &'static str| scene.site.send(Request::post(path), body).await.status;
    assert_eq!(post(&good, "List-Unsubscribe=No").await, StatusCode::BAD_REQUEST);
    let mut guesses = 0;
    while post(&wrong, ONE_CLICK).await != StatusCode::TOO_MANY_REQUESTS {
        guesses += 1;
        assert!(guesses < 600, "there is no limit");
    }
    assert_eq!(scene.hub.test.subscription_counts().await.unwrap().mailboxes, 1);
    // Programs of one provider, from one address.
    assert_eq!(post(&good, ONE_CLICK).await, StatusCode::OK);
    assert_eq!(scene.hub.test.subscription_counts().await.unwrap().mailboxes, 0);
}

#[tokio::test]
async fn without_a_channel_that_serves_visitors_there_are_no_subscriptions() {
    let mut scene = Scene::new(TestStore::new(Engine::Sqlite).await, 1).await;
    let node = scene.nodes[0];
    scene.subscribe(&[node], "reader@example.net", 1).await;
    let path = format!("/nodes/{node}");
    let form = format!("action=\"{path}/subscribe\"");
    assert!(read(&scene.site, &path, "zh").await.text().contains(&form));
    let without_url = PublicHub::over(scene.hub.test.clone()).await;
    assert!(!read(&without_url, &path, "en").await.text().contains(&form), "mails have links");

    let off = ChannelChange { enabled: Some(false), ..ChannelChange::default() };
    alerts(&scene.hub.test).change_channel("post", off).await.unwrap();
    assert!(!read(&scene.site, &path, "en").await.text().contains(&form));
    assert_eq!(scene.ask(node, "new@example.net", 2).await.status, StatusCode::NOT_FOUND);
    scene.hub.check(&[], &scene.nodes, 150).await;
    assert!(scene.mails().await.is_empty());
    // What happened meanwhile is not told afterwards.
    let on = ChannelChange { enabled: Some(true), ..ChannelChange::default() };
    alerts(&scene.hub.test).change_channel("post", on).await.unwrap();
    scene.hub.check(&scene.nodes, &[], 600).await;
    assert!(scene.mails().await.is_empty());
}

/// Takes mails to visitors, and notes for whom. The mailboxes that begin with `busy` take none.
#[derive(Default)]
struct Post(Arc<Mutex<Vec<String>>>);

impl Messenger for Post {
    fn check(&self, _: &str, _: &Settings) -> Result<(), FieldProblem> {
        Ok(())
    }

    fn shown(&self, _: &str, settings: &Settings) -> Settings {
        settings.clone()
    }

    fn sends_at_most_once(&self, _: &str) -> bool {
        false
    }

    fn send_to_visitor<'a>(&'a self, settings: &'a Settings, to: &'a Secret, _: &'a Message) -> BoxFuture<'a, Outcome> {
        assert_eq!(settings["server"], "smtp.example");
        self.0.lock().unwrap().push(to.expose().to_owned());
        let busy = Outcome::Retry { after: None, why: "busy".to_owned() };
        ready(if to.expose().starts_with("busy") { busy } else { Outcome::Delivered }).boxed()
    }

    fn send<'a>(&'a self, _: &'a str, _: &'a Settings, _: &'a Message) -> BoxFuture<'a, Outcome> {
        panic!("no channel is told anything")
    }
}

#[tokio::test]
async fn mails_are_sent_by_the_server_of_the_channel_and_again_when_it_is_busy() {
    let scene = Scene::new(TestStore::new(Engine::Sqlite).await, 1).await;
    for address in ["busy@example.net", "one@example.net", "two@example.net"] {
        scene.ask(scene.nodes[0], address, 1).await;
    }
    let post = Post::default();
    let taken = Arc::clone(&post.0);
    let mut deliverer = Deliverer::new(scene.hub.test.store.clone(), Arc::new(post));
    let now = Timestamp::now();
    deliverer.look(now).await.unwrap();
    for _ in 0..3 {
        deliverer.ended().await;
    }
    let mut to = std::mem::take(&mut *taken.lock().unwrap());
    to.sort();
    assert_eq!(to, ["busy@example.net", "one@example.net", "two@example.net"]);
    assert_eq!(scene.hub.test.subscription_counts().await.unwrap().waiting, 1);
    deliverer.look(now + Duration::from_secs(60)).await.unwrap();
    deliverer.ended().await;
    assert_eq!(*taken.lock().unwrap(), ["busy@example.net"]);
}

async fn a_hub_with_a_new_key_knows_its_visitors_and_sends_links_that_work(test: TestStore) {
    let scene = Scene::new(test, 2).await;
    let (a, b) = (scene.nodes[0], scene.nodes[1]);
    let sent = scene.subscribe(&[a], "reader@example.net", 1).await;
    scene.ask(b, "other@example.net", 2).await;
    let TestStore { store, mut options, folder } = scene.hub.test.clone();
    // The site is a hub of its own on PostgreSQL.
    scene.site.serving().store.close().await;
    store.close().await;
    let new = HubKey::generate();
    rotate_key(options.clone(), &new, false, Timestamp::now()).await.unwrap();
    options.key = new;
    let store = Store::open(options.clone(), Timestamp::now()).await.unwrap();
    let test = TestStore { store, options, folder };
    let site = site(test.clone()).await;

    // The mail that waited goes to the same mailbox, with links that the new key has signed.
    let mail = test.claim_mails(Duration::from_secs(60), 9, Timestamp::now()).await.unwrap().remove(0);
    assert_eq!(mail.address.expose(), "other@example.net");
    let message: Message = serde_json::from_str(&mail.message).unwrap();
    let mailbox = mailbox_in(&token(message.url.as_ref().unwrap()));
    assert_eq!(message.subject, format!("subscription/{mailbox}"));
    for link in [&message.url, &message.unsubscribe] {
        let page = read(&site, &path(link.as_ref().unwrap()), "en").await;
        assert!(page.status == StatusCode::OK && page.text().contains("o…@example.net"), "{page:?}");
    }
    // Links in mails that were sent say nothing any more, and a visitor is known when they ask again.
    assert_ne!(read(&site, &path(&sent), "en").await.status, StatusCode::OK);
    let before = test.subscription_counts().await.unwrap();
    let scene = Scene { hub: Hub { test, ..scene.hub }, site, nodes: scene.nodes };
    assert_eq!(scene.ask(b, "Reader@example.net", 1).await.status, StatusCode::OK);
    let after = scene.hub.test.subscription_counts().await.unwrap();
    assert_eq!((before.mailboxes, after.mailboxes), (1, 1));
    assert_eq!(after.unconfirmed, before.unconfirmed, "a node more of a mailbox that is known");
}
