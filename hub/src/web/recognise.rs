//! Callers with a valid credential.

use axum::http::request::Parts;
use easytier_uptime_monitor::Hold;

/// Notes that the request has a valid credential, so that its connection is not closed in favour of strangers.
pub(super) fn recognise(parts: &Parts) {
    if let Some(place) = parts.extensions.get::<Hold>() {
        place.vouch();
    }
}
