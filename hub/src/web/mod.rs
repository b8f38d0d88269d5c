//! Code that the API and the pages share: the identity of the caller, its session, and the response to a refusal of a use
//! case. Reading of requests and the envelopes of responses are in the crate `easytier_uptime_monitor`, for daemons too.

mod acting;
mod client;
mod cookie;
mod credentials;
mod entry_path;
mod error;
mod instance_caller;
mod open_server;
mod poster;
mod proxies;
mod reception;
mod recognise;
mod reports;
mod session;
mod sync_error;
mod unknown_tokens;

use std::sync::Arc;

use axum::extract::FromRef;
use easytier_probe::Checker;
pub(crate) use easytier_uptime_monitor::{Closing, Refusal, input, parameter};
use easytier_uptime_monitor::{Metrics, Monitor, OwnProbe, Readers, limit::Limit};
use easytier_uptime_store::Store;
use url::Url;

pub use self::proxies::{Network, NetworkError, WebOptions};
use self::unknown_tokens::UnknownTokens;
pub(crate) use self::{
    acting::ActingLayer,
    client::{Client, Identification, identify},
    cookie::cookie,
    credentials::{
        ChangeSettings, CheckCaller, EditPeers, Lister, ManageProbes, MetricsReader, NO_TOKEN, Permitted, ProbeCaller,
        ReadAudit, ReadStatus,
    },
    entry_path::EntryPath,
    instance_caller::{CallerOfPrimary, SyncCaller},
    open_server::{Announcer, ServerCaller, ServerLister},
    poster::{Poster, Posts},
    reception::Reception,
    reports::{MonthPath, Reported, Reports, Selection},
    session::{AdminSession, COOKIE, clear_cookie, own_page, refuse_foreign_pages, set_cookie},
    sync_error::SyncError,
};
use crate::{
    board::{Board, Chronicle},
    connect::Connector,
    manager::configuration::Renderer,
    service::{
        Admin, Checks, ConnectionTests, Discovery, Instances, ManagedProbes, Orders, Registry, Sessions, Sources,
        Submissions, Subscriptions,
        alerts::{Alerts, Messenger},
    },
};

/// The state that handlers share.
#[derive(Clone, FromRef)]
pub(crate) struct App {
    store: Store,
    pub admin: Admin,
    pub alerts: Alerts,
    pub sessions: Sessions,
    pub submissions: Submissions,
    pub subscriptions: Subscriptions,
    pub sources: Sources,
    pub managed_probes: ManagedProbes,
    renderer: Renderer,
    pub connection_tests: ConnectionTests,
    pub checks: Checks,
    orders: Orders,
    registry: Registry,
    discovery: Discovery,
    pub instances: Instances,
    wrong_secrets: Arc<Limit>,
    metrics: Arc<Metrics>,
    pub options: Arc<WebOptions>,
    reception: Reception,
    board: Arc<Board>,
    chronicle: Chronicle,
    readers: Readers,
    posts: Posts,
    unknown_tokens: UnknownTokens,
    reports: Reports,
    connector: Connector,
    own_probe: OwnProbe,
}

impl App {
    /// `checker`: runs the connection tests that strangers request. `messenger`: sends test messages of alerts.
    pub fn new(
        store: Store,
        board: Arc<Board>,
        checker: Checker,
        messenger: Arc<dyn Messenger>,
        options: WebOptions,
        monitor: &Monitor,
    ) -> Self {
        let readers = monitor.readers();
        let orders = Orders::start(store.clone());
        Self {
            chronicle: Chronicle::new(store.clone(), &readers, board.freshness()),
            reports: Reports::new(store.clone(), Arc::clone(&board), readers.clone()),
            board,
            alerts: Alerts::new(store.clone(), messenger),
            admin: Admin::new(store.clone()),
            sessions: Sessions::new(store.clone()),
            submissions: Submissions::new(store.clone()),
            subscriptions: Subscriptions::new(store.clone(), options.public_url.clone()),
            sources: Sources::new(store.clone(), own_urls(&options)),
            managed_probes: ManagedProbes::new(store.clone(), options.control.clone()),
            renderer: Renderer::new(store.clone()),
            connection_tests: ConnectionTests::new(checker),
            checks: Checks::new(store.clone(), orders.clone()),
            orders,
            registry: Registry::new(store.clone()),
            discovery: Discovery::new(store.clone(), options.discovery.clone()),
            instances: Instances::new(store.clone(), options.instance.clone()),
            wrong_secrets: Arc::new(instance_caller::limit_of_wrong_secrets()),
            store,
            metrics: monitor.metrics(),
            options: Arc::new(options),
            reception: Reception::default(),
            readers,
            posts: Posts::default(),
            unknown_tokens: UnknownTokens::default(),
            connector: Connector::default(),
            own_probe: monitor.own_probe(),
        }
    }
}

/// Where the hub is, as far as its options say.
fn own_urls(options: &WebOptions) -> Vec<Url> {
    let public = options.public_url.as_ref().and_then(|url| url.to_string().parse().ok());
    public.into_iter().chain(options.instance.options.public_endpoint.clone()).collect()
}
