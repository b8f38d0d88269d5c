//! Documents that were made from a snapshot, for all readers who ask for the same.

use std::sync::Arc;

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue},
    response::Response,
};

use easytier_uptime_monitor::{
    Refusal,
    rendered::{Rendered, Version},
};
use moka::sync::Cache;
use uuid::Uuid;

use super::snapshot::Snapshot;

/// The memory for documents, in bytes, with what they take compressed.
const CAPACITY: u64 = 32 << 20;

/// Documents with longer keys are made for each reader: nobody else is going to ask for the same.
const MAX_KEY: usize = 512;

/// What a reader asks for.
#[derive(Debug, Clone)]
pub struct Key {
    /// Names the document among all that are made from a snapshot.
    pub name: String,
    /// Distinguishes documents at the same address: the language, the theme.
    pub variant: &'static str,
    /// The headers of the request that the variant depends on.
    pub vary: &'static str,
    pub media_type: &'static str,
}

struct Kept {
    number: u64,
    version: Version,
    document: Result<Rendered, Refusal>,
}

/// The documents of the newest snapshot.
pub struct Documents {
    kept: Cache<String, Arc<Kept>>,
    /// Snapshots of several hubs have the same numbers.
    instance: String,
}

impl Default for Documents {
    fn default() -> Self {
        let weight = |key: &String, kept: &Arc<Kept>| {
            let length = kept.document.as_ref().map_or(0, Rendered::len);
            u32::try_from(key.len() + length + length / 4 + size_of::<Kept>()).unwrap_or(u32::MAX)
        };
        let instance: String = Uuid::new_v4().simple().to_string().chars().take(12).collect();
        Self { kept: Cache::builder().max_capacity(CAPACITY).weigher(weight).build(), instance }
    }
}

impl Documents {
    /// Responds with the document that `make` makes from the snapshot, unless it is there already.
    pub fn respond(
        &self,
        snapshot: &Snapshot,
        key: &Key,
        request: &HeaderMap,
        make: impl FnOnce() -> Result<Bytes, Refusal>,
    ) -> Result<Response, Refusal> {
        let version = self.version(snapshot, key);
        if let Some(response) = version.not_modified(request) {
            return Ok(response);
        }
        let make = || {
            let document = make().map(|document| Rendered::new(key.media_type, document));
            Arc::new(Kept { number: snapshot.number, version, document })
        };
        let kept = if key.name.len() > MAX_KEY {
            make()
        } else {
            let name = format!("{} {}", key.variant, key.name);
            self.kept.entry(name).or_insert_with_if(make, |kept| kept.number < snapshot.number).into_value()
        };
        let document = kept.document.as_ref().map_err(Refusal::clone)?;
        Ok(document.respond(request, &kept.version))
    }

    /// Forgets the documents of older snapshots.
    pub fn forget(&self) {
        self.kept.invalidate_all();
    }

    fn version(&self, snapshot: &Snapshot, key: &Key) -> Version {
        let tag = format!("W/\"{}-{}-{}\"", self.instance, snapshot.number, key.variant);
        Version {
            // Plain ASCII always parses.
            tag: HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\"")),
            stale_since: snapshot.stale_since,
            vary: key.vary,
        }
    }
}
