//! Probes that come and go: `once`, and the function. They know all instances, the first one of them first.

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::block_in_place;

use crate::{
    function::Function,
    instance::Instance,
    records,
    support::{command, printed},
};

/// The results that one of them delivered.
#[derive(Debug, Default, Clone, Copy)]
pub struct Delivered {
    pub runs: u64,
    pub results: i64,
}

pub struct Visitors {
    function: Function,
    /// The URLs of all instances.
    urls: String,
    token: String,
    folder: TempDir,
    pub of_once: Delivered,
    pub of_function: Delivered,
}

/// The number of results of `once`.
pub const OF_ONCE: &str =
    "SELECT count(*) FROM results JOIN regions r ON r.id = results.region_id WHERE r.name = 'once'";
const OF_FUNCTION: &str =
    "SELECT count(*) FROM results JOIN regions r ON r.id = results.region_id WHERE r.name = 'function'";

impl Visitors {
    /// With tokens that the first instance makes.
    pub async fn start(instances: &[Instance]) -> Self {
        let token = |name| instances[0].command(&["hub", "token", "create", "--name", name, "--region", name]);
        let urls = instances.iter().map(Instance::url).collect::<Vec<_>>().join(",");
        let of_function = token("function");
        let variables = [
            ("BACKEND_BASE_URL", urls.as_str()),
            ("NODE_TOKEN", &of_function),
            ("ALLOW_LOCAL_PEERS", "true"),
            // So that peers are due at each invocation.
            ("HEALTH_CHECK_INTERVAL", "1s"),
        ];
        Self {
            function: Function::start(variables).await,
            token: token("once"),
            urls,
            folder: tempfile::tempdir().unwrap(),
            of_once: Delivered::default(),
            of_function: Delivered::default(),
        }
    }

    /// Both check all peers and deliver their results.
    pub async fn report(&mut self) {
        let answer = self.function.answer(json!({"claim": false})).await;
        self.of_function.add(&answer);
        let once = once(&self.folder, &self.urls, &self.token);
        self.of_once.add(&once);
    }

    /// All delivered results are at this instance, each once.
    pub async fn assert_stored(&self, at: &Instance) {
        let stored = [records::number(at, OF_ONCE).await, records::number(at, OF_FUNCTION).await];
        assert_eq!(stored, [self.of_once.results, self.of_function.results], "{}", at.name);
    }
}

impl Delivered {
    #[track_caller]
    /// Adds a cycle, which checked peers and delivered all results.
    pub fn add(&mut self, cycle: &Value) {
        let [checked, delivered] = ["checked", "delivered"].map(|name| cycle[name].as_i64().unwrap());
        assert!(checked > 0 && delivered == checked, "{cycle}");
        self.runs += 1;
        self.results += delivered;
    }
}

/// Runs `once`, which reports everything. Returns the summary of its cycle.
#[track_caller]
pub fn once(folder: &TempDir, urls: &str, token: &str) -> Value {
    let variables = [("BACKEND_BASE_URL", urls), ("NODE_TOKEN", token), ("ALLOW_LOCAL_PEERS", "true")];
    let arguments = ["once", "--fail-on", "never", "--format", "json"];
    let output = block_in_place(|| command(folder.path(), &arguments, &variables).output().unwrap());
    let told: Value = serde_json::from_str(&printed(&output)).unwrap();
    told["cycle"].clone()
}
