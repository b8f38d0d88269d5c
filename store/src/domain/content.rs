//! The fields of shared objects, by which they are compared and shown.

use easytier_probe::CheckMode;
use ring::digest::{Context, SHA256, digest};
use serde_json::{Map, Value as Json, json};

use super::{
    Content, ObjectState, ScheduleText, Scope, SharedConfig, SyncedChannel, SyncedCredential, SyncedMaintenance,
    SyncedObject, SyncedPeer, millis,
};

/// Which fields are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fields {
    /// All that an edit changes, with secrets: two contents that agree in these mean the same.
    Meaning,
    /// Those, and when the object was made and changed.
    Whole,
    /// Those without secrets, for people and for hashes that are shown.
    Shown,
}

impl Fields {
    fn secrets(self) -> bool {
        self != Self::Shown
    }

    fn times(self) -> bool {
        self != Self::Meaning
    }
}

impl Content {
    /// The fields, without those that have their default. A field that a later version adds changes nothing in the objects that
    /// have its default.
    pub(crate) fn fields(&self, which: Fields) -> Json {
        let mut fields = Map::new();
        let mut put = |name: &str, value: Json| {
            let is_default = match &value {
                Json::Null | Json::Bool(false) => true,
                Json::Array(list) => list.is_empty(),
                _ => false,
            };
            if !is_default {
                fields.insert(name.to_owned(), value);
            }
        };
        match self {
            Self::Peer(peer) => peer.put_fields(which, &mut put),
            Self::Region => {}
            Self::Setting(value) => put("value", json!(value)),
            Self::Probe(probe) => {
                put("region", json!(probe.region));
                put("named", json!(probe.named));
                if which.times() {
                    put("createdAt", json!(probe.created_at));
                }
            }
            Self::Credential(credential) => credential.put_fields(which, &mut put),
            Self::Channel(channel) => channel.put_fields(which, &mut put),
            Self::Maintenance(window) => window.put_fields(which, &mut put),
        }
        Json::Object(fields)
    }

    /// SHA-256 of all fields. It tells something about secrets, so it is neither stored nor shown.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut fields = self.fields(Fields::Whole);
        self.put_id(&mut fields);
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, fields.to_string().as_bytes()).as_ref());
        hash
    }

    /// Adds the id of a peer, which no edit changes.
    fn put_id(&self, fields: &mut Json) {
        if let (Self::Peer(peer), Json::Object(fields)) = (self, fields) {
            fields.insert("id".into(), json!(peer.id));
        }
    }
}

impl SyncedPeer {
    fn put_fields(&self, which: Fields, put: &mut impl FnMut(&str, Json)) {
        let spec = &self.spec;
        put("name", json!(spec.name));
        // The query of a URL is often a secret.
        put("url", json!(if which.secrets() { spec.url.full() } else { spec.url.to_string() }));
        put("description", json!(Some(&spec.description).filter(|text| !text.is_empty())));
        put("networkName", json!(spec.network_name));
        match &spec.network_secret {
            Some(secret) if which.secrets() => put("networkSecret", json!(secret.expose())),
            secret => put("hasNetworkSecret", json!(secret.is_some())),
        }
        put("handshakeOnly", json!(spec.mode == CheckMode::Handshake));
        put("timeoutMs", json!(spec.timeout.map(millis)));
        put("allowRelay", json!(spec.allow_relay));
        put("maxConnections", json!(spec.max_connections));
        put("tags", json!(spec.tags));
        put("regions", json!(spec.regions));
        put("qqNumber", json!(spec.contacts.qq_number));
        put("wechat", json!(spec.contacts.wechat));
        put("mail", json!(spec.contacts.mail));
        put("approved", json!(self.approved));
        put("submitted", json!(self.submitted));
        if which.times() {
            put("createdAt", json!(self.created_at));
            put("updatedAt", json!(self.updated_at));
            put("targetSince", json!(self.target_since));
        }
    }
}

impl SyncedCredential {
    fn put_fields(&self, which: Fields, put: &mut impl FnMut(&str, Json)) {
        put("kind", json!(self.kind));
        put("name", json!(self.name));
        if which.secrets() {
            put("hash", json!(self.hash.expose()));
        }
        put("serverId", json!(self.server_id));
        put("region", json!(self.region));
        put("revoked", json!(self.revoked_at.is_some()));
        put("expiresAt", json!(self.expires_at));
        put("maxUses", json!(self.max_uses));
        put("enrolledBy", json!(self.enrolled_by));
        put("scopes", json!(Some(&self.scopes).filter(|scopes| *scopes != Scope::Read.as_str())));
        if which.times() {
            put("createdAt", json!(self.created_at));
            put("revokedAt", json!(self.revoked_at));
            put("uses", json!(Some(self.uses).filter(|uses| *uses != 0)));
        }
    }
}

impl SyncedChannel {
    fn put_fields(&self, which: Fields, put: &mut impl FnMut(&str, Json)) {
        put("name", json!(self.name));
        put("kind", json!(self.kind));
        put("enabled", json!(self.enabled));
        if which.secrets() {
            put("config", json!(self.config.expose()));
        }
        if which.times() {
            put("createdAt", json!(self.created_at));
            put("updatedAt", json!(self.updated_at));
        }
    }
}

impl SyncedMaintenance {
    fn put_fields(&self, which: Fields, put: &mut impl FnMut(&str, Json)) {
        let (spec, coverage) = (&self.spec, &self.spec.coverage);
        let ScheduleText { start, time_zone, minutes, rrule, until } = spec.schedule.text();
        put("title", json!(spec.title));
        put("titleZh", json!(spec.title_zh));
        put("all", json!(coverage.all));
        put("nodes", json!(coverage.peers));
        put("tags", json!(coverage.tags));
        put("regions", json!(coverage.regions));
        put("start", json!(start));
        put("timeZone", json!(time_zone));
        put("minutes", json!(minutes));
        put("rrule", json!(rrule));
        put("until", json!(until));
        put("endedAt", json!(self.ended_at));
        if which.times() {
            put("createdAt", json!(self.created_at));
            put("updatedAt", json!(self.updated_at));
        }
    }
}

impl ObjectState {
    /// The object for people, without secrets.
    pub(crate) fn shown(&self) -> Json {
        match self {
            Self::Present(content) => content.fields(Fields::Shown),
            Self::Deleted(at) => json!({ "deletedAt": at }),
        }
    }

    /// Whether both say the same, whenever it was said.
    pub(crate) fn means(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Present(one), Self::Present(other)) => one.fields(Fields::Meaning) == other.fields(Fields::Meaning),
            (Self::Deleted(_), Self::Deleted(_)) => true,
            (Self::Present(_), Self::Deleted(_)) | (Self::Deleted(_), Self::Present(_)) => false,
        }
    }
}

impl SharedConfig {
    /// A hash of the objects that exist and of their versions, in hexadecimal digits: of two instances with the same hash,
    /// neither has anything for the other, but for deletions of what the other never had. It may be shown: secrets take part by
    /// their versions only.
    pub fn hash(&self) -> String {
        let mut context = Context::new(&SHA256);
        for SyncedObject { key, version, state } in &self.objects {
            let ObjectState::Present(content) = state else { continue };
            if version.is_local() {
                continue;
            }
            let mut fields = content.fields(Fields::Shown);
            content.put_id(&mut fields);
            let line = json!([key.kind, key.uid, version.epoch, version.counter, fields]);
            context.update(line.to_string().as_bytes());
        }
        data_encoding::HEXLOWER.encode(context.finish().as_ref())
    }
}
