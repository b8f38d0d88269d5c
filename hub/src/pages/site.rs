//! What the handlers of the pages share.

use std::sync::Arc;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};

use super::board::{Live, Snapshots};
use crate::{
    service::{Admin, ConnectionTests, Sessions, Submissions},
    store::Store,
    web::{AdminSession, App, Client, Refusal},
};

/// The state of the handlers. Cheap to clone.
#[derive(Clone, FromRef)]
pub(crate) struct Site {
    pub(crate) app: App,
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
            app: app.clone(),
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

impl FromRequestParts<Site> for Client {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Refusal> {
        Self::from_request_parts(parts, &site.app).await
    }
}

impl FromRequestParts<Site> for AdminSession {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Refusal> {
        Self::from_request_parts(parts, &site.app).await
    }
}
