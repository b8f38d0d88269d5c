//! The tables of settings, from which flags, help texts and the reading of the configuration are made.

/// A setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The environment variable, such as `PEER_FETCH_INTERVAL`.
    pub name: &'static str,
    /// The placeholder for a value in help texts, such as `DURATION`; `BOOL` for true or false.
    pub value_name: &'static str,
    /// The value if none is given, written as in the environment.
    pub default: Option<&'static str>,
    /// Whether values are never shown. Every user of the machine can see flags, so other layers suit secrets better.
    pub is_secret: bool,
    /// The help text, without a full stop at its end.
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

    /// Whether the value is true or false.
    pub fn is_boolean(&self) -> bool {
        self.value_name == "BOOL"
    }

    /// The settings of all tables.
    pub fn all() -> impl Iterator<Item = &'static Setting> {
        PROBE_SETTINGS.iter().chain(HUB_SETTINGS).chain(FUNCTION_SETTINGS)
    }

    /// The setting with this name (`PEER_FETCH_INTERVAL`).
    pub fn named(name: &str) -> Option<&'static Setting> {
        Self::all().find(|setting| setting.name == name)
    }

    /// The setting with this key in a TOML file, which may use `-` instead of `_`.
    pub(crate) fn with_key(key: &str) -> Option<&'static Setting> {
        Self::all().find(|setting| key == setting.key() || key == setting.flag())
    }
}

const fn with_default(
    name: &'static str,
    value_name: &'static str,
    default: &'static str,
    help: &'static str,
) -> Setting {
    Setting { name, value_name, default: Some(default), is_secret: false, help }
}

const fn optional(name: &'static str, value_name: &'static str, help: &'static str) -> Setting {
    Setting { name, value_name, default: None, is_secret: false, help }
}

const fn secret(name: &'static str, value_name: &'static str, help: &'static str) -> Setting {
    Setting { name, value_name, default: None, is_secret: true, help }
}

/// The settings of a probe, in the order of help texts. A hub and the function use some of them.
pub static PROBE_SETTINGS: &[Setting] = &[
    optional("CONFIG_FILE", "PATH", "TOML file with settings; each key is the name of a setting in lower case"),
    with_default("DISTRIBUTED_MODE_ENABLED", "BOOL", "false", "Run as a probe of a remote hub"),
    optional(
        "BACKEND_BASE_URL",
        "URL",
        "Base URL of the backend, or several separated by commas, of which the first that works is used",
    ),
    optional(
        "DISCOVERY_SERVER_URL",
        "URL",
        "For a daemon the same as BACKEND_BASE_URL. A hub registers at the hub with this URL, which lists it then",
    ),
    secret("NODE_TOKEN", "TOKEN", "Token that identifies this probe to the backend"),
    secret("API_KEY", "KEY", "Key for reading the backend's peers, if it requires one"),
    optional("REGION", "NAME", "Region of this probe; the backend returns the peers of that region"),
    optional("SERVER_ID", "ID", "ID of this probe [default: the host name; for 'once', the ID of its token]"),
    secret("ENROLLMENT_KEY", "KEY", "Key that registers this probe at the hub, which issues a node token"),
    secret(
        "CONTROL_TOKEN",
        "TOKEN",
        "Token with which a hub pushes configuration to this probe and pulls figures from it, at least 32 characters; \
         BACKEND_BASE_URL may be left out then, and comes with the first push [default: no hub can]",
    ),
    optional(
        "ADVERTISE_ADDR",
        "HOST[:PORT]",
        "Address to register at the hub, if other machines reach this probe at another address than the detected one",
    ),
    with_default(
        "REPORT_STYLE",
        "STYLE",
        "auto",
        "How results are reported to the backend: auto, results, status, per-node or neo; auto means results at an \
         easytier-uptime hub, status elsewhere",
    ),
    with_default("PEER_FETCH_INTERVAL", "DURATION", "60s", "Time between two fetches of the peers"),
    with_default(
        "STATUS_REPORT_INTERVAL",
        "DURATION",
        "30s",
        "Time between two reports of a peer whose status does not change",
    ),
    with_default("HEALTH_CHECK_INTERVAL", "DURATION", "5s", "Time between two checks of a peer"),
    optional(
        "PROBE_SCHEDULE",
        "CRON",
        "Run whole cycles at the start and by this cron expression (5 fields, or 6 with seconds first), @hourly, @daily, \
         @weekly, or '@every 5m', instead of the intervals",
    ),
    with_default("PROBE_TIMEZONE", "NAME", "UTC", "Time zone of the cron expression, such as Europe/Berlin"),
    with_default(
        "PROBE_JITTER",
        "DURATION",
        "0s",
        "Delay each scheduled cycle by less than this; the delay is always the same for one SERVER_ID, so that probes \
         with one schedule do not check at the same moment",
    ),
    with_default(
        "PEER_FORGET_AFTER",
        "DURATION",
        "24h",
        "Time after which a peer that the backend no longer lists is forgotten",
    ),
    with_default(
        "SPOOL_MAX_AGE",
        "DURATION",
        "24h",
        "Maximum time that results wait for a backend that is unreachable",
    ),
    with_default(
        "SPOOL_MAX_RESULTS",
        "N",
        "1000000",
        "Maximum number of results that wait for the backend; the oldest are dropped first",
    ),
    optional("PEERS_FILE", "PATH", "File with peers to check, in any form that 'check --file' reads (standalone mode)"),
    with_default(
        "SKIP_INVALID_PEERS",
        "BOOL",
        "false",
        "Leave out peers of PEERS_FILE that are not valid, with a warning, instead of refusing the file",
    ),
    with_default("HEALTH_CHECK_TIMEOUT", "DURATION", "5s", "Deadline of one check, all stages together"),
    with_default("HEALTH_CHECK_PINGS", "N", "3", "Number of pings in one check"),
    with_default("CHECK_CONCURRENCY", "N", "512", "Maximum number of concurrent checks"),
    optional(
        "SELF_CHECK_TARGETS",
        "URL",
        "Servers by which a probe recognises that it is cut off itself, such as https://example.com or tcp://192.0.2.1:443, \
         separated by commas [default: the backend]",
    ),
    with_default(
        "ALLOW_PRIVATE_PEERS",
        "BOOL",
        "true",
        "Allow peers from a backend or a resolver in private networks; never those that strangers submit",
    ),
    with_default(
        "ALLOW_LOCAL_PEERS",
        "BOOL",
        "false",
        "Allow peers from a backend or a resolver on this machine, its link or a cloud's metadata service; never those that \
         strangers submit",
    ),
    with_default("SERVER_HOST", "ADDRESS", "127.0.0.1", "Local address of the HTTP server (monitoring API and pages)"),
    with_default("SERVER_PORT", "PORT", "8080", "Port of the HTTP server; 0 for any free port"),
    secret(
        "METRICS_TOKEN",
        "TOKEN",
        "Token that readers of /metrics must send as 'Authorization: Bearer', at least 16 characters [default: anybody may \
         read them]",
    ),
    with_default("DATABASE_PATH", "PATH", "uptime.db", "SQLite file"),
    secret("DATABASE_URL", "URL", "URL of a PostgreSQL database to use instead of the SQLite file"),
    with_default("RUST_LOG", "FILTER", "info", "Log level: error, warn, info, debug, trace, or a filter by module"),
    with_default("LOG_FORMAT", "FORMAT", "text", "Log format: text, or json for log collectors"),
];

/// The settings that only a hub uses. A probe knows their names, because it may share an environment and files with a hub.
pub static HUB_SETTINGS: &[Setting] = &[
    secret(
        "HUB_KEY",
        "HEX",
        "Key that encrypts the peers' network secrets: 64 hexadecimal digits, the same for all hubs on one database. \
         Required with DATABASE_URL; with a SQLite file it is generated at the first start, in a file beside it",
    ),
    optional("HUB_KEY_FILE", "PATH", "File that holds the hub's key, instead of HUB_KEY"),
    secret(
        "ADMIN_PASSWORD",
        "PASSWORD",
        "Password of the admin. If there is none, one is generated at the first start and printed once",
    ),
    optional(
        "TRUSTED_PROXIES",
        "NETWORKS",
        "Addresses or networks of the reverse proxies in front of the hub, comma-separated; X-Forwarded-For is accepted \
         from these only",
    ),
    optional(
        "PUBLIC_URL",
        "URL",
        "URL at which others reach this hub, for links in the feed; without it the links are relative",
    ),
    secret(
        "CONTROL_PROXY",
        "URL",
        "Proxy for managed probes that cannot be reached directly: http://HOST:PORT (HTTP CONNECT), socks5:// or socks5h://",
    ),
    with_default(
        "OPEN_DISCOVERY",
        "BOOL",
        "false",
        "Take servers without a credential into the list of servers, and let anybody read it. They are listed, and nothing else",
    ),
    with_default(
        "FLAP_DAMPING",
        "N",
        "2",
        "Number of consecutive results that change the status of a peer in a region. A daemon sends the first two results of \
         a change at once, and more at STATUS_REPORT_INTERVAL",
    ),
    with_default(
        "REGION_DOUBT_NODES",
        "N",
        "8",
        "When more than half of a region's peers turn offline at once while other regions see them, this does not count before \
         the next check. N is the least number of peers for that. 0: never",
    ),
    with_default("RESULT_RETENTION", "DURATION", "168h", "How long single results are kept"),
    with_default("FIVE_MINUTE_RETENTION", "DURATION", "48h", "How long 5-minute totals are kept"),
    with_default(
        "HOUR_RETENTION",
        "DURATION",
        "2160h",
        "How long hourly totals are kept; daily totals are kept forever",
    ),
    with_default(
        "RELAY_CHECK_INTERVAL",
        "DURATION",
        "15m",
        "Time between two tests whether a node relays data between its guests, over all regions; nodes that do not declare it are \
         tested 8 times as rarely. From 10m to 24h; 0: no tests",
    ),
    with_default("EVENT_RETENTION", "DURATION", "2160h", "How long events (a peer went up or down) are kept"),
    with_default(
        "ENABLE_SYNC_API",
        "BOOL",
        "false",
        "Make this instance the primary: other instances take its configuration, and one of them its place when it is lost",
    ),
    optional(
        "PRIMARY_SYNC_URL",
        "URL",
        "Make this instance a dependent of the primary whose synchronisation API is at this URL, such as http://hub-1:3002",
    ),
    secret("SYNC_SECRET", "SECRET", "Secret that all instances of the cluster share: at least 32 characters"),
    with_default(
        "SYNC_API_PORT",
        "PORT",
        "3002",
        "Port of the synchronisation API, at SERVER_HOST; the port of the hub serves it too",
    ),
    optional("INSTANCE_NAME", "NAME", "Name of this instance, and ID of its built-in probe [default: the host name]"),
    optional("INSTANCE_LOCATION", "TEXT", "Where this instance is, in words; REGION of a dependent's built-in probe"),
    optional("LATITUDE", "DEGREES", "Where this instance is on the map: degrees north, -90 to 90"),
    optional("LONGITUDE", "DEGREES", "Where this instance is on the map: degrees east, -180 to 180"),
    with_default(
        "FAILOVER_ORDER",
        "N",
        "99",
        "Place of this instance in the order in which dependents take the primary's place; the lowest number comes first",
    ),
    with_default(
        "FAILOVER_AFTER",
        "DURATION",
        "90s",
        "How long the primary must be unreachable before a dependent takes its place",
    ),
    with_default("SYNC_INTERVAL", "DURATION", "30s", "Time between two looks at the primary's configuration"),
    with_default("HEARTBEAT_INTERVAL", "DURATION", "60s", "Time between two heartbeats of a dependent"),
    with_default("CONNECTION_TIMEOUT", "DURATION", "10s", "Deadline of a request to another instance"),
];

/// The settings that only the function uses.
pub static FUNCTION_SETTINGS: &[Setting] = &[optional(
    "SPOOL_QUEUE_URL",
    "URL",
    "URL of the SQS queue that keeps results for later delivery if the hub does not accept them",
)];
