//! Every setting there is: the tables that flags, help texts and the reading of configuration are made from.

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The environment variable, such as `PEER_FETCH_INTERVAL`.
    pub name: &'static str,
    /// What a value is, in one word for a help text. `BOOL` for a switch.
    pub value_name: &'static str,
    /// The value when none is given, as one would write it.
    pub default: Option<&'static str>,
    /// Never shown, and better not given as a flag, where every user of the machine can see it.
    pub is_secret: bool,
    pub help: &'static str,
}

impl Setting {
    /// The flag, without its dashes: `peer-fetch-interval`.
    pub fn flag(&self) -> String {
        self.name.to_ascii_lowercase().replace('_', "-")
    }

    /// The key in a TOML file: `peer_fetch_interval`.
    pub fn key(&self) -> String {
        self.name.to_ascii_lowercase()
    }

    /// Whether it is true or false.
    pub fn is_switch(&self) -> bool {
        self.value_name == "BOOL"
    }

    /// Every setting there is, the hub's own and the function's too.
    pub fn all() -> impl Iterator<Item = &'static Setting> {
        SETTINGS.iter().chain(HUB_SETTINGS).chain(FUNCTION_SETTINGS)
    }

    /// The setting of this name.
    pub fn named(name: &str) -> Option<&'static Setting> {
        Self::all().find(|setting| setting.name == name)
    }

    /// The setting with this key in a TOML file; words are joined by `_` or `-`.
    pub(super) fn with_key(key: &str) -> Option<&'static Setting> {
        Self::all().find(|setting| key == setting.key() || key == setting.flag())
    }
}

const fn plain(name: &'static str, value_name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { name, value_name, default: Some(default), is_secret: false, help }
}

const fn optional(name: &'static str, value_name: &'static str, help: &'static str) -> Setting {
    Setting { name, value_name, default: None, is_secret: false, help }
}

const fn secret(name: &'static str, value_name: &'static str, help: &'static str) -> Setting {
    Setting { name, value_name, default: None, is_secret: true, help }
}

/// The settings of a probe, in the order in which a help text lists them.
pub static SETTINGS: &[Setting] = &[
    optional("CONFIG_FILE", "PATH", "TOML file with settings, each under its name in lower case"),
    plain("DISTRIBUTED_MODE_ENABLED", "BOOL", "false", "Run as a probe of a remote hub"),
    optional("BACKEND_BASE_URL", "URL", "The backend; several, comma-separated, are tried in order"),
    secret("NODE_TOKEN", "TOKEN", "The token by which the backend knows this probe"),
    secret("API_KEY", "KEY", "The key for reading the backend's peers, when it wants one"),
    optional("REGION", "NAME", "The region this probe is in; the backend gives the peers of that region"),
    optional("SERVER_ID", "ID", "The probe's own id; the host name when not given"),
    secret("ENROLLMENT_KEY", "KEY", "Registers this probe at the hub, which gives it a node token"),
    optional("ADVERTISE_ADDR", "HOST[:PORT]", "The address to register, when others reach this probe at another one"),
    plain(
        "REPORT_STYLE",
        "STYLE",
        "auto",
        "How the backend is told of results: auto, results, status or per-node; auto is results at an easytier-uptime \
         hub, else status",
    ),
    plain("PEER_FETCH_INTERVAL", "DURATION", "60s", "How often the peers are fetched"),
    plain("STATUS_REPORT_INTERVAL", "DURATION", "30s", "How often results are reported that say nothing new"),
    plain("HEALTH_CHECK_INTERVAL", "DURATION", "5s", "How often each peer is checked"),
    optional(
        "PROBE_SCHEDULE",
        "CRON",
        "Run whole cycles by this cron expression (5 fields, or 6 with seconds first), or @hourly, @daily, @weekly, or \
         '@every 5m', instead of the intervals; one more runs at the start",
    ),
    plain("PROBE_TIMEZONE", "NAME", "UTC", "The time zone of that cron expression, such as Europe/Berlin"),
    plain(
        "PROBE_JITTER",
        "DURATION",
        "0s",
        "Start each cycle of that schedule up to this much later, by a delay that is always the same for this probe",
    ),
    plain("PEER_FORGET_AFTER", "DURATION", "24h", "When a peer that a backend no longer lists is forgotten"),
    plain("SPOOL_MAX_AGE", "DURATION", "24h", "How long results wait for a backend that is away, at most"),
    plain("SPOOL_MAX_RESULTS", "N", "1000000", "How many results wait, at most; the oldest are given up first"),
    optional("PEERS_FILE", "PATH", "File with peers to watch: JSON, TOML, or URLs one a line (standalone mode)"),
    plain("HEALTH_CHECK_TIMEOUT", "DURATION", "5s", "Deadline of one check, all its stages together"),
    plain("HEALTH_CHECK_PINGS", "N", "3", "Pings of one check"),
    plain("CHECK_CONCURRENCY", "N", "512", "How many peers are checked at the same time"),
    plain(
        "ALLOW_PRIVATE_PEERS",
        "BOOL",
        "true",
        "Let peers that a backend, a submission or a resolver named lie in private networks",
    ),
    plain("ALLOW_LOCAL_PEERS", "BOOL", "false", "Let them lie at this machine, its link or a cloud's metadata service"),
    plain("SERVER_HOST", "ADDRESS", "127.0.0.1", "The address at which the monitoring API and the pages are served"),
    plain("SERVER_PORT", "PORT", "8080", "Their port; 0 for any that is free"),
    plain("DATABASE_PATH", "PATH", "uptime.db", "The SQLite file"),
    secret("DATABASE_URL", "URL", "The PostgreSQL database to use instead of the file"),
    plain("RUST_LOG", "FILTER", "info", "What is logged: error, warn, info, debug, trace, or a filter by module"),
    plain("LOG_FORMAT", "FORMAT", "text", "How it is logged: text, or json for log collectors"),
];

/// The settings that only a hub has. They are in the same environment and the same files, so a probe knows their names.
pub static HUB_SETTINGS: &[Setting] = &[
    secret(
        "HUB_KEY",
        "HEX",
        "The key that the peers' network secrets are encrypted with, 64 hexadecimal digits; the same for all hubs on one \
         database. Needed with DATABASE_URL; with a SQLite file it is made at the first start, in a file beside it",
    ),
    optional("HUB_KEY_FILE", "PATH", "File that holds the hub's key, instead of HUB_KEY"),
    secret(
        "ADMIN_PASSWORD",
        "PASSWORD",
        "The admin's password; without one it is made at the first start, and printed that once",
    ),
    optional(
        "TRUSTED_PROXIES",
        "NETWORKS",
        "The proxies in front of the hub, as addresses or networks, comma-separated: their X-Forwarded-For is believed, \
         nobody else's",
    ),
    plain("FLAP_DAMPING", "N", "2", "How many results in a row it takes to change what a region says of a peer"),
    plain("RESULT_RETENTION", "DURATION", "168h", "How long single results are kept"),
    plain("FIVE_MINUTE_RETENTION", "DURATION", "48h", "How long their sums over 5 minutes are kept"),
    plain("HOUR_RETENTION", "DURATION", "2160h", "How long their sums over an hour are kept; those over a day stay"),
    plain("EVENT_RETENTION", "DURATION", "2160h", "How long it is kept when peers went up and down"),
];

/// The settings that only the function has.
pub static FUNCTION_SETTINGS: &[Setting] = &[optional(
    "SPOOL_QUEUE_URL",
    "URL",
    "The SQS queue that results go to which the hub does not take, and from which they are delivered later",
)];
