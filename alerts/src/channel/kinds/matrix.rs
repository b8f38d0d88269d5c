//! Matrix: an event of a room, by the client-server API.

use reqwest::Method;
use serde_json::json;

use super::spec::Spec;
use crate::{
    channel::{
        fault::Fault,
        field::{Field, Format, PROXY, Settings},
        guarantee::Guarantee,
        outgoing::HttpRequest,
    },
    layout::{self, HTML, PLAIN},
};

/// The longest text in each of the two forms, in bytes: an event has at most 65,536.
const LONGEST: usize = 12_000;

pub(crate) const MATRIX: Spec = Spec {
    name: "matrix",
    about: "a room of Matrix",
    fields: &[
        Field::required("server", Format::Url, "the URL of the homeserver", "主服务器的 URL"),
        Field::required(
            "room",
            Format::Text,
            "the id of the room, such as !abc:example.org",
            "房间 ID，如 !abc:example.org",
        ),
        Field::required("token", Format::Text, "the access token of a user in the room", "房间内用户的访问令牌")
            .secret(),
        PROXY,
    ],
    // The id of the transaction is the key.
    guarantee: Guarantee::AtLeastOnce,
    check,
    request: |settings, message, _| {
        let id = message.id.to_string();
        let room = settings.text("room").trim();
        let segments = ["_matrix", "client", "v3", "rooms", room, "send", "m.room.message", &id];
        let url = settings.endpoint("server", "", &segments)?;
        let body = json!({
            "msgtype": "m.text",
            "body": layout::whole(message, &PLAIN, LONGEST),
            "format": "org.matrix.custom.html",
            "formatted_body": layout::whole(message, &HTML, LONGEST),
            // Nobody is mentioned, whatever the text looks like.
            "m.mentions": {},
        });
        let request = HttpRequest { method: Method::PUT, ..HttpRequest::json(url, &body) };
        Ok(request.with_header("Authorization", format!("Bearer {}", settings.text("token").trim())).into())
    },
    verdict: |answer| answer.by_member("/event_id"),
};

fn check(settings: &Settings) -> Result<(), (&'static str, Fault)> {
    match settings.text("room").trim().starts_with('!') {
        true => Ok(()),
        false => Err((
            "room",
            Fault::new(
                "it is the id of a room, which begins with !, not its name",
                "请填写以 ! 开头的房间 ID，而不是房间名",
            ),
        )),
    }
}
