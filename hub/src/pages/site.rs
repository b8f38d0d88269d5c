//! The state that the handlers of the pages share.

use std::sync::Arc;

use axum::extract::FromRef;
use easytier_uptime_store::Store;

use super::board::{Live, Snapshots};
use crate::{
    service::{Admin, ConnectionTests, Sessions, Submissions},
    web::{App, Posts, WebOptions},
};

/// The state of the handlers. Cheap to clone.
#[derive(Clone, FromRef)]
pub(crate) struct Site {
    posts: Posts,
    pub options: Arc<WebOptions>,
    pub store: Store,
    pub admin: Admin,
    pub sessions: Sessions,
    pub submissions: Submissions,
    pub connection_tests: ConnectionTests,
    pub snapshots: Arc<Snapshots>,
    pub live: Arc<Live>,
}

impl Site {
    pub(crate) fn new(app: &App) -> Self {
        let store = Store::from_ref(app);
        let snapshots = Arc::new(Snapshots::new(store.clone()));
        let live = Arc::new(Live::new(store.clone(), Arc::clone(&snapshots)));
        Self {
            options: Arc::from_ref(app),
            posts: Posts::from_ref(app),
            store,
            admin: Admin::from_ref(app),
            sessions: Sessions::from_ref(app),
            submissions: Submissions::from_ref(app),
            connection_tests: ConnectionTests::from_ref(app),
            snapshots,
            live,
        }
    }
}
