//! ServerChan (Server酱): both Turbo and version 3, which the key tells apart.

use serde_json::json;

use super::spec::Spec;
use crate::{
    channel::{
        answer::Codes,
        fault::Fault,
        field::{Field, Format, PROXY, Settings},
        guarantee::Guarantee,
        outgoing::HttpRequest,
    },
    layout::{self, MARKDOWN, PLAIN},
};

/// The longest title in characters, and the longest text in bytes; the service takes 32 and 32 KiB.
const LONGEST_TITLE: usize = 32;
const LONGEST_TEXT: usize = 16 * 1024;

const CODES: Codes = Codes { at: &["/code", "/errno"], taken: 0, later: &[] };

pub(crate) const SERVERCHAN: Spec = Spec {
    name: "serverchan",
    about: "ServerChan",
    fields: &[
        Field::required(
            "key",
            Format::Text,
            "the SendKey, which begins with SCT or sctp",
            "SendKey，以 SCT 或 sctp 开头",
        )
        .secret(),
        Field::optional("server", Format::Url, "another server than the key's", "SendKey 所属服务器以外的地址"),
        PROXY,
    ],
    guarantee: Guarantee::AtMostOnce,
    check: |settings| server(settings).map(drop).map_err(|why| ("key", why)),
    request: |settings, message, _| {
        let key = settings.text("key").trim();
        let (server, version_3) = server(settings)?;
        let file = format!("{key}.send");
        let segments: &[&str] = if version_3 { &["send", &file] } else { &[&file] };
        let titles = layout::Markup { length: layout::characters, ..PLAIN };
        let title = layout::title(message, &titles, LONGEST_TITLE);
        // The title stands in full above the text, because so little of it fits.
        let body = json!({ "title": title, "desp": layout::whole(message, &MARKDOWN, LONGEST_TEXT) });
        Ok(HttpRequest::json(settings.endpoint("server", &server, segments)?, &body).into())
    },
    verdict: |answer| answer.by_code(&CODES),
};

/// The server of a key, and whether it is one of version 3: `sctp`, the number of the user, `t`, and the rest.
fn server(settings: &Settings) -> Result<(String, bool), Fault> {
    let key = settings.text("key").trim();
    if !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Fault::new("it has letters and digits only", "只能包含字母和数字"));
    }
    let Some(rest) = key.strip_prefix("sctp") else { return Ok(("https://sctapi.ftqq.com".to_owned(), false)) };
    match rest.split_once('t') {
        Some((user, _)) if !user.is_empty() && user.bytes().all(|byte| byte.is_ascii_digit()) => {
            Ok((format!("https://{user}.push.ft07.com"), true))
        }
        _ => Err(Fault::new("it is not like sctp123tabc", "格式应如 sctp123tabc")),
    }
}
