//! `check --from`: the probes of a hub check the peers.

use std::{env, time::Duration};

use anyhow::{Context, bail};
use easytier_probe::{
    Access, Backend, BackendConfig, CheckMode, Peer, Secret, Status,
    backend::{BaseUrl, RequestedResult, WantedCheck},
};
use futures::{StreamExt, stream};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::OutputArgs;
use crate::{exit::Exit, print, results::words, runtime, text::printable};

/// How often the hub is asked for answers.
const LOOK_INTERVAL: Duration = Duration::from_millis(300);

/// How long a request to the hub may take, with all retries: it may have to wait until an address may be checked again.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How many peers are checked at a time: the hub limits what a caller asks for.
const AT_ONCE: usize = 4;

/// A result from one place.
#[derive(Debug, Serialize)]
struct Row {
    url: String,
    #[serde(flatten)]
    of: RequestedResult,
}

impl Row {
    fn status(&self) -> Status {
        self.of.result.as_ref().map_or(Status::Unknown, |result| result.status)
    }

    fn cells(&self) -> [String; 6] {
        let RequestedResult { from, region, server_id, result } = &self.of;
        let place = match (region, server_id) {
            (Some(region), Some(server_id)) => format!("{} ({})", printable(region), printable(server_id)),
            _ => printable(from),
        };
        let latency = result.as_ref().and_then(|result| result.response_time).map(words::millis);
        let version = result.as_ref().and_then(|result| result.version.as_deref()).map(printable);
        let problem = match result {
            Some(result) => words::problem(result),
            None => Some("no probe answered".to_owned()),
        };
        [
            self.status().as_str().to_owned(),
            self.url.clone(),
            place,
            latency.unwrap_or_default(),
            version.unwrap_or_default(),
            problem.unwrap_or_default(),
        ]
    }
}

/// Has the probes of the hub at `base_url` check the peers, and prints what each of them found.
pub fn run(
    peers: &[Peer],
    base_url: &BaseUrl,
    from: &[String],
    timeout: Duration,
    output: &OutputArgs,
) -> anyhow::Result<Exit> {
    if peers.iter().any(|peer| peer.access != Access::Guest || peer.mode != CheckMode::Full) {
        bail!("with --from the probes of the hub check peers as guests: leave out networks and --handshake-only");
    }
    let key = env::var("API_KEY").ok().filter(|key| !key.trim().is_empty());
    let key = key.context(
        "API_KEY is missing: with --from set it to a key of the hub with the scope 'checks'; the hub's operator creates one \
         with 'easytier-uptime hub key create --name NAME --scope checks'",
    )?;
    let config = BackendConfig { api_key: Some(Secret::from(key)), ..BackendConfig::new(vec![base_url.clone()]) };
    let hub = Backend::new(config)?;
    let runtime = runtime::single_threaded()?;
    let rows = runtime.block_on(async {
        let checks = stream::iter(peers).map(|peer| check(&hub, peer, from, timeout)).buffered(AT_ONCE);
        checks.collect::<Vec<anyhow::Result<Vec<Row>>>>().await.into_iter().collect::<anyhow::Result<Vec<_>>>()
    })?;
    let rows: Vec<Row> = rows.into_iter().flatten().collect();
    match output.json {
        true => print::json(&rows)?,
        false => {
            let cells: Vec<[String; 6]> = rows.iter().map(Row::cells).collect();
            print::table(["STATUS", "PEER", "FROM", "LATENCY", "VERSION", "PROBLEM"], &cells)?;
        }
    }
    Ok(Exit::of_checks(rows.iter().map(Row::status), output.fail_on))
}

async fn check(hub: &Backend, peer: &Peer, from: &[String], timeout: Duration) -> anyhow::Result<Vec<Row>> {
    let wanted = WantedCheck { url: peer.url.clone(), from: from.to_vec(), timeout };
    let deadline = || Instant::now() + REQUEST_TIMEOUT;
    let id = hub.request_check(&wanted, deadline()).await?;
    loop {
        let check = hub.requested_check(id, deadline()).await?;
        if !check.is_running {
            let url = peer.url.to_string();
            return Ok(check.results.into_iter().map(|of| Row { url: url.clone(), of }).collect());
        }
        sleep(LOOK_INTERVAL).await;
    }
}
