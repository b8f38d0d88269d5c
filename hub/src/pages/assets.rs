//! The style sheet, the scripts, the map and the icon, embedded in the binary. Their names contain a hash of their content, so that
//! browsers may cache them forever.

use std::sync::LazyLock;

use crate::web::Refusal;
use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use data_encoding::HEXLOWER;
use maud::{Markup, PreEscaped};
use ring::digest::{SHA256, digest};

const CACHE_FOREVER: &str = "public, max-age=31536000, immutable";

const ICON_TEXT: &str = include_str!("assets/icon.svg");

pub static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("site", "css", "text/css; charset=utf-8", include_str!("assets/site.css")));
pub static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("site", "js", "text/javascript; charset=utf-8", include_str!("assets/site.js")));
pub static LIVE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("live", "js", "text/javascript; charset=utf-8", include_str!("assets/live.js")));
/// The outlines of the land on the map.
pub static WORLD: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("world", "svg", "image/svg+xml", include_str!("map/world.svg")));
pub static ICON: LazyLock<Asset> = LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", ICON_TEXT));

/// A file that the pages refer to.
#[derive(Debug)]
pub struct Asset {
    name: String,
    media_type: &'static str,
    text: &'static str,
}

impl Asset {
    fn new(stem: &str, extension: &str, media_type: &'static str, text: &'static str) -> Self {
        let hash = HEXLOWER.encode(&digest(&SHA256, text.as_bytes()).as_ref()[..8]);
        Self { name: format!("{stem}-{hash}.{extension}"), media_type, text }
    }

    pub fn path(&self) -> String {
        format!("/assets/{}", self.name)
    }
}

/// The icon as part of a page.
pub fn inline_icon() -> Markup {
    PreEscaped(ICON_TEXT.to_owned())
}

pub async fn asset(Path(name): Path<String>) -> Response {
    let known: [&Asset; 5] = [&STYLE, &SCRIPT, &LIVE, &WORLD, &ICON];
    match known.into_iter().find(|asset| asset.name == name) {
        Some(asset) => ([(header::CONTENT_TYPE, asset.media_type), (header::CACHE_CONTROL, CACHE_FOREVER)], asset.text)
            .into_response(),
        None => Refusal::not_found("asset").into_response(),
    }
}

/// `/favicon.ico`, which browsers ask for by themselves.
pub async fn icon() -> Response {
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, ICON.path())]).into_response()
}
