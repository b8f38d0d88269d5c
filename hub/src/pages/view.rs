//! The language, the theme and the address that a request asks for.

use std::{convert::Infallible, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{Extensions, HeaderMap, HeaderValue, Uri, request::Parts},
};
use url::form_urlencoded;

use super::language::{self, Language, Texts};
use crate::{
    board::{Key, Snapshot, Standing},
    web::cookie,
};
use easytier_uptime_store::domain::Announcement;

/// The cookie that remembers the theme.
const THEME_COOKIE: &str = "uptime_theme";

/// The headers of a request that a page depends on.
pub const VARY: &str = "accept-language, cookie";

/// The lifetime of cookies in seconds.
const ONE_YEAR: u32 = 365 * 24 * 3600;

/// How to render a page.
#[derive(Debug, Clone)]
pub struct View {
    pub language: Language,
    /// Whether the query of this request chooses a language that no cookie of the reader's remembers.
    is_new_choice: bool,
    /// `light` or `dark`; `None` follows the system.
    pub theme: Option<&'static str>,
    pub path: String,
    /// The query, without the language.
    pub query: Vec<(String, String)>,
    /// The place of this instance among others.
    pub standing: Arc<Standing>,
    /// What the operator tells visitors.
    pub announcements: Arc<[Announcement]>,
}

impl View {
    pub fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned();
        let (language, query): (Vec<_>, Vec<_>) = pairs.partition(|(name, _)| name == "lang");
        let chosen = language.iter().find_map(|(_, name)| Language::from_name(name));
        let theme = cookie(headers, THEME_COOKIE);
        Self {
            language: chosen.unwrap_or_else(|| Language::of(headers)),
            is_new_choice: chosen.is_some_and(|chosen| cookie(headers, language::COOKIE) != Some(chosen.name())),
            theme: ["light", "dark"].into_iter().find(|known| theme == Some(*known)),
            // A link to a path that begins with two slashes leads to another host; browsers treat `\` like a slash.
            path: format!("/{}", uri.path().trim_start_matches(['/', '\\'])),
            query,
            standing: Arc::default(),
            announcements: Arc::new([]),
        }
    }

    /// The view of a request.
    pub fn of_request(uri: &Uri, headers: &HeaderMap, extensions: &Extensions) -> Self {
        let view = Self::of(uri, headers);
        match extensions.get::<Arc<Snapshot>>() {
            Some(snapshot) => view.with_snapshot(snapshot),
            None => view,
        }
    }

    /// The same view at the moment of a snapshot.
    pub fn with_snapshot(self, snapshot: &Snapshot) -> Self {
        let (standing, announcements) = (Arc::clone(&snapshot.standing), Arc::clone(&snapshot.announcements));
        Self { standing, announcements, ..self }
    }

    /// Names the page that this request asks for, at `path`, among all that the board may have.
    pub fn key(&self, path: &str) -> Key {
        Key {
            name: self.at(path, &[]),
            variant: match (self.language, self.theme) {
                (Language::English, None) => "en",
                (Language::English, Some("dark")) => "en-dark",
                (Language::English, Some(_)) => "en-light",
                (Language::Chinese, None) => "zh",
                (Language::Chinese, Some("dark")) => "zh-dark",
                (Language::Chinese, Some(_)) => "zh-light",
            },
            vary: VARY,
            media_type: "text/html; charset=utf-8",
        }
    }

    pub fn texts(&self) -> &'static Texts {
        self.language.texts()
    }

    /// The `Set-Cookie` that remembers the language, if this request chooses another one than before.
    pub fn language_cookie(&self) -> Option<HeaderValue> {
        let choice = format!("{}={}; Path=/; Max-Age={ONE_YEAR}; SameSite=Lax", language::COOKIE, self.language.name());
        // Plain ASCII always parses.
        choice.parse().ok().filter(|_| self.is_new_choice)
    }

    /// The address of this page with changes to the query. Empty values and the page number are dropped.
    pub fn with(&self, changes: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let changed = |name: &str| changes.iter().any(|(known, _)| *known == name);
        let kept = self.query.iter().filter(|(name, value)| !changed(name) && name != "page" && !value.is_empty());
        query.extend_pairs(kept);
        query.extend_pairs(changes.iter().filter(|(_, value)| !value.is_empty()));
        address(&self.path, &query.finish())
    }

    /// The address of this page without one pair of its query.
    pub fn without(&self, name: &str, value: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let kept = self
            .query
            .iter()
            .filter(|(known, its)| known != "page" && !its.is_empty() && !(known == name && its == value));
        query.extend_pairs(kept);
        address(&self.path, &query.finish())
    }

    /// The address of this page in a language.
    pub fn in_language(&self, language: Language) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.query.iter().filter(|(_, value)| !value.is_empty()));
        query.append_pair("lang", language.name());
        address(&self.path, &query.finish())
    }

    /// The same view without a parameter of the query, for links on the page.
    pub fn without_parameter(mut self, name: &str) -> Self {
        self.query.retain(|(known, _)| known != name);
        self
    }

    /// The same view for the page at a path, which a form that was posted elsewhere gives back.
    pub fn moved_to(self, path: &str) -> Self {
        Self { path: path.to_owned(), query: Vec::new(), ..self }
    }

    /// Another page with the query of this one, and with `changes` to it.
    pub fn at(&self, path: &str, changes: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let is_changed = |name: &str| changes.iter().any(|(known, _)| *known == name);
        query.extend_pairs(self.query.iter().filter(|(name, value)| !is_changed(name) && !value.is_empty()));
        query.extend_pairs(changes.iter().filter(|(_, value)| !value.is_empty()));
        address(path, &query.finish())
    }
}

fn address(path: &str, query: &str) -> String {
    match query {
        "" => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

impl<S: Send + Sync> FromRequestParts<S> for View {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of_request(&parts.uri, &parts.headers, &parts.extensions))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(uri: &str) -> View {
        View::of(&uri.parse().unwrap(), &HeaderMap::new())
    }

    #[test]
    fn a_link_keeps_the_rest_of_the_query() {
        let view = view("/?search=a%26b&tags=x&tags=y&page=3&relay=&lang=zh");
        assert_eq!(view.language, Language::Chinese);
        assert_eq!(view.with(&[("sort", "name")]), "/?search=a%26b&tags=x&tags=y&sort=name");
        assert_eq!(view.with(&[("tags", "")]), "/?search=a%26b");
        assert_eq!(view.with(&[("page", "4")]), "/?search=a%26b&tags=x&tags=y&page=4");
        assert_eq!(view.without("tags", "x"), "/?search=a%26b&tags=y");
        assert_eq!(view.in_language(Language::English), "/?search=a%26b&tags=x&tags=y&page=3&lang=en");
    }

    #[test]
    fn no_link_leads_to_another_host() {
        for path in ["//evil.example/x", "/\\evil.example/x", "///evil.example/x"] {
            assert_eq!(view(path).in_language(Language::Chinese), "/evil.example/x?lang=zh", "{path}");
        }
    }
}
