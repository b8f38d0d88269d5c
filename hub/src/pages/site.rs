//! The state that the handlers of the pages share.

use std::{ops::Deref, sync::Arc};

use axum::extract::FromRef;
use easytier_uptime_monitor::{OwnProbe, Readers};
use easytier_uptime_store::{Store, StoreError};
use tokio::sync::OnceCell;

use super::{
    histories::{Histories, Own},
    list::Fragments,
    live::Live,
};
use crate::{
    board::{Board, Chronicle},
    service::{
        Admin, Checks, ConnectionTests, Instances, ManagedProbes, Sessions, Sources, Submissions, Subscriptions,
        alerts::Alerts,
    },
    web::{App, Posts, Reports, WebOptions},
};

/// The state of the handlers. It is cloned several times for a request, so clones share it.
#[derive(Clone)]
pub(crate) struct Site(Arc<Parts>);

pub(crate) struct Parts {
    posts: Posts,
    pub options: Arc<WebOptions>,
    pub store: Store,
    pub admin: Admin,
    pub alerts: Alerts,
    pub sessions: Sessions,
    pub submissions: Submissions,
    pub subscriptions: Subscriptions,
    pub sources: Sources,
    pub managed_probes: ManagedProbes,
    pub checks: Checks,
    pub instances: Instances,
    pub connection_tests: ConnectionTests,
    pub board: Arc<Board>,
    pub chronicle: Chronicle,
    pub rows: Arc<Fragments>,
    pub histories: Arc<Histories>,
    database_id: Arc<OnceCell<String>>,
    pub live: Arc<Live>,
    pub reports: Reports,
}

impl Deref for Site {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// Lets handlers ask for one part alone.
macro_rules! parts {
    ($($name:ident: $part:ty,)*) => {
        $(impl FromRef<Site> for $part {
            fn from_ref(site: &Site) -> Self {
                site.$name.clone()
            }
        })*
    };
}

parts! {
    posts: Posts,
    store: Store,
    admin: Admin,
    sessions: Sessions,
    submissions: Submissions,
    connection_tests: ConnectionTests,
    board: Arc<Board>,
    rows: Arc<Fragments>,
    live: Arc<Live>,
    reports: Reports,
}

impl Site {
    pub(crate) fn new(app: &App) -> Self {
        let board = Arc::<Board>::from_ref(app);
        let options = Arc::<WebOptions>::from_ref(app);
        let (store, readers) = (Store::from_ref(app), Readers::from_ref(app));
        let subscriptions = Subscriptions::from_ref(app);
        let own = Own { name: options.instance.options.name.clone(), probe: OwnProbe::from_ref(app) };
        let histories = Histories::new(store, &readers, subscriptions, board.freshness(), own);
        let histories = Arc::new(histories);
        let live = Arc::new(Live::new(Arc::clone(&board)));
        Self(Arc::new(Parts {
            options,
            posts: Posts::from_ref(app),
            store: Store::from_ref(app),
            admin: Admin::from_ref(app),
            alerts: Alerts::from_ref(app),
            sessions: Sessions::from_ref(app),
            submissions: Submissions::from_ref(app),
            subscriptions: Subscriptions::from_ref(app),
            sources: Sources::from_ref(app),
            managed_probes: ManagedProbes::from_ref(app),
            checks: Checks::from_ref(app),
            instances: Instances::from_ref(app),
            connection_tests: ConnectionTests::from_ref(app),
            board,
            chronicle: Chronicle::from_ref(app),
            rows: Arc::default(),
            histories,
            database_id: Arc::default(),
            live,
            reports: Reports::from_ref(app),
        }))
    }

    /// The id of the database, which never changes.
    pub async fn database_id(&self) -> Result<&str, StoreError> {
        self.database_id.get_or_try_init(|| self.store.database_id()).await.map(String::as_str)
    }
}
