//! Styles, scripts and pictures, in the binary. Their names change with their contents, so browsers keep them for ever.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use data_encoding::HEXLOWER;
use maud::{Markup, PreEscaped};
use ring::digest::{SHA256, digest};

use crate::web::Refusal;

const FOR_EVER: &str = "public, max-age=31536000, immutable";

const ICON_TEXT: &str = include_str!("assets/icon.svg");

pub static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("site", "css", "text/css; charset=utf-8", include_str!("assets/site.css")));
pub static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("site", "js", "text/javascript; charset=utf-8", include_str!("assets/site.js")));
pub static ICON: LazyLock<Asset> = LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", ICON_TEXT));

/// A file.
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

/// The picture of the brand, within a page.
pub fn mark() -> Markup {
    PreEscaped(ICON_TEXT.to_owned())
}

pub async fn asset(Path(name): Path<String>) -> Response {
    let known: [&Asset; 3] = [&STYLE, &SCRIPT, &ICON];
    match known.into_iter().find(|asset| asset.name == name) {
        Some(asset) => {
            ([(header::CONTENT_TYPE, asset.media_type), (header::CACHE_CONTROL, FOR_EVER)], asset.text).into_response()
        }
        None => Refusal::not_found("asset").into_response(),
    }
}

/// Where browsers look by themselves.
pub async fn icon() -> Response {
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, ICON.path())]).into_response()
}
