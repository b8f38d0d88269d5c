//! `easytier-uptime-lambda`: the probe cycle as an AWS Lambda function.
//!
//! What lives as long as a sandbox is in `sandbox`, what one invocation does in `invocation`.

mod aws;
mod event;
mod help;
mod invocation;
mod peers;
mod queue;
mod report;
mod sandbox;
mod secrets;

use std::{collections::BTreeMap, env};

use easytier_probe::config::Sources;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use tracing_subscriber::EnvFilter;

use self::sandbox::Sandbox;

/// One thread: a function has less than one core up to 1769 MB.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if env::args().nth(1).is_some() {
        print!("{}", help::text());
        return Ok(());
    }
    let sandbox = Sandbox::new(Sources::of_process(BTreeMap::new()), function())?;
    log(&sandbox.config.rust_log)?;
    let sandbox = &sandbox;
    let handler = service_fn(|event: LambdaEvent<Value>| async move { invocation::run(sandbox, event).await });
    lambda_runtime::run(handler).await
}

/// The function's name and where it is, which together are the same for all its sandboxes, and for no other function's.
fn function() -> Option<String> {
    let name = env::var("AWS_LAMBDA_FUNCTION_NAME").ok()?;
    Some(match env::var("AWS_REGION") {
        Ok(region) => format!("{name}-{region}"),
        Err(_) => name,
    })
}

/// JSON lines, each with the id of its request. A level that names no module is for our own code.
fn log(rust_log: &str) -> Result<(), Error> {
    let filter = match rust_log.parse::<tracing::Level>() {
        Ok(level) => format!("error,easytier_probe={level},easytier_uptime_lambda={level}"),
        Err(_) => rust_log.to_owned(),
    };
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("RUST_LOG: {error}"))?;
    let lines = tracing_subscriber::fmt().json().flatten_event(true).with_current_span(true).with_span_list(false);
    // CloudWatch notes the time.
    lines.with_env_filter(filter).without_time().init();
    Ok(())
}
