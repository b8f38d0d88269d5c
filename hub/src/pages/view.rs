//! How a page is wanted: in which language and theme, and under which address.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, Uri, request::Parts},
};
use url::form_urlencoded;

use super::language::{self, Language, Texts};
use crate::web::cookie;

/// What remembers a theme.
const THEME_COOKIE: &str = "uptime_theme";

const A_YEAR: u32 = 365 * 24 * 3600;

#[derive(Debug, Clone)]
pub struct View {
    pub language: Language,
    /// The language was chosen by this very request.
    chosen: bool,
    /// `light` or `dark`; none for what the system prefers.
    pub theme: Option<&'static str>,
    pub path: String,
    /// The query's parts, but for the language.
    pub query: Vec<(String, String)>,
}

impl View {
    pub fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned();
        let (language, query): (Vec<_>, Vec<_>) = pairs.partition(|(name, _)| name == "lang");
        let chosen = language.iter().find_map(|(_, name)| Language::from_name(name));
        let theme = cookie(headers, THEME_COOKIE);
        Self {
            language: chosen.unwrap_or_else(|| Language::of(headers)),
            chosen: chosen.is_some(),
            theme: ["light", "dark"].into_iter().find(|known| Some(*known) == theme),
            // A link to a path that begins with two slashes leads to another host, and browsers take `\` for one.
            path: format!("/{}", uri.path().trim_start_matches(['/', '\\'])),
            query,
        }
    }

    pub fn texts(&self) -> &'static Texts {
        self.language.texts()
    }

    /// The cookie that remembers a language that was chosen just now.
    pub fn choice(&self) -> Option<HeaderValue> {
        let cookie = format!("{}={}; Path=/; Max-Age={A_YEAR}; SameSite=Lax", language::COOKIE, self.language.name());
        self.chosen.then(|| cookie.parse().expect("plain ASCII"))
    }

    /// This page with other values in the query. Those without a value, and the page's number, are left out.
    pub fn with(&self, changes: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let changed = |name: &str| changes.iter().any(|(known, _)| *known == name);
        let kept = self.query.iter().filter(|(name, value)| !changed(name) && name != "page" && !value.is_empty());
        query.extend_pairs(kept);
        query.extend_pairs(changes.iter().filter(|(_, value)| !value.is_empty()));
        self.at(&query.finish())
    }

    /// This page without one pair of its query.
    pub fn without(&self, name: &str, value: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let kept = self
            .query
            .iter()
            .filter(|(known, its)| known != "page" && !its.is_empty() && !(known == name && its == value));
        query.extend_pairs(kept);
        self.at(&query.finish())
    }

    /// This page in a language.
    pub fn in_language(&self, language: Language) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.query.iter().filter(|(_, value)| !value.is_empty()));
        query.append_pair("lang", language.name());
        self.at(&query.finish())
    }

    fn at(&self, query: &str) -> String {
        match query {
            "" => self.path.clone(),
            query => format!("{}?{query}", self.path),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for View {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.uri, &parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(uri: &str) -> View {
        View::of(&uri.parse().unwrap(), &HeaderMap::new())
    }

    #[test]
    fn a_link_keeps_what_it_does_not_change() {
        let view = view("/?search=a%26b&tags=x&tags=y&page=3&relay=&lang=zh");
        assert_eq!(view.language, Language::Chinese);
        assert_eq!(view.with(&[("sort", "name")]), "/?search=a%26b&tags=x&tags=y&sort=name");
        assert_eq!(view.with(&[("tags", "")]), "/?search=a%26b");
        assert_eq!(view.with(&[("page", "4")]), "/?search=a%26b&tags=x&tags=y&page=4");
        assert_eq!(view.without("tags", "x"), "/?search=a%26b&tags=y");
        assert_eq!(view.in_language(Language::English), "/?search=a%26b&tags=x&tags=y&page=3&lang=en");
    }

    #[test]
    fn a_link_leads_to_no_other_host() {
        for path in ["//evil.example/x", "/\\evil.example/x", "///evil.example/x"] {
            assert_eq!(view(path).in_language(Language::Chinese), "/evil.example/x?lang=zh", "{path}");
        }
    }
}
