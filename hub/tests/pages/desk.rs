//! The operator at the pages.

use axum::http::{Request, StatusCode};

use crate::{
    http::{PublicHub, Reply},
    log_in,
    support::{Engine, TestStore},
};

/// A hub, and the session cookie of its operator.
pub struct Desk {
    pub hub: PublicHub,
    pub cookie: String,
}

impl Desk {
    pub async fn new() -> Self {
        Self::over(TestStore::new(Engine::Sqlite).await).await
    }

    pub async fn over(store: TestStore) -> Self {
        let hub = PublicHub::over(store).await;
        let cookie = log_in(&hub).await;
        Self { hub, cookie }
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)], language: &str) -> Reply {
        let request = Request::post(path).header("cookie", &self.cookie);
        let request = request.header("origin", format!("http://{}", self.hub.address));
        self.hub.send(request.header("accept-language", language), serde_html_form::to_string(form).unwrap()).await
    }

    pub async fn get(&self, path: &str, language: &str) -> String {
        self.reply(path, language).await.text().to_owned()
    }

    /// A page with its headers.
    pub async fn reply(&self, path: &str, language: &str) -> Reply {
        let request = Request::get(path).header("cookie", &self.cookie).header("accept-language", language);
        let reply = self.hub.send(request, "").await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {reply:?}");
        reply
    }
}

/// What a page says about fields that were refused.
pub fn problems(page: &str) -> Vec<&str> {
    let text = |part: &'_ str| -> Option<(usize, usize)> {
        let from = part.find('>')? + 1;
        Some((from, from + part[from..].find('<')?))
    };
    let parts = page.split("<small class=\"problem\"").skip(1);
    parts.filter_map(|part| text(part).map(|(from, to)| &part[from..to])).collect()
}

#[track_caller]
pub fn assert_goes_to(reply: &Reply, path: &str) {
    assert_eq!((reply.status, reply.header("location")), (StatusCode::SEE_OTHER, Some(path)), "{reply:?}");
}
