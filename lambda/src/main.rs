//! `easytier-uptime-lambda`: the probe cycle as an AWS Lambda function.
//!
//! `sandbox` holds the state between invocations, `invocation` runs one.

mod aws;
mod event;
mod help;
mod invocation;
mod known;
mod logging;
mod peers;
mod queue;
mod report;
mod sandbox;
mod secrets;

use std::{
    collections::BTreeMap,
    env,
    io::{self, Write},
};

use easytier_uptime_config::{LogFormat, Sources};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

use self::sandbox::Sandbox;

/// With one thread, because a function with less than 1769 MB of memory has less than one core.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if env::args().nth(1).is_some() {
        io::stdout().write_all(help::text().as_bytes())?;
        return Ok(());
    }
    let sandbox = Sandbox::new(Sources::from_process(BTreeMap::new()), function_id());
    match &sandbox {
        Ok(sandbox) => logging::start(&sandbox.config.rust_log, sandbox.config.log_format),
        Err(_) => logging::start("info", LogFormat::Json),
    }
    // Errors in the configuration fail each invocation. If the process ended instead, the caller would not see them.
    let handler = service_fn(|event: LambdaEvent<Value>| invocation::run(sandbox.as_ref(), event));
    lambda_runtime::run(handler).await
}

/// The function's name and AWS region: the same in all its sandboxes, and different for every other function of the
/// account.
fn function_id() -> Option<String> {
    let name = env::var("AWS_LAMBDA_FUNCTION_NAME").ok()?;
    Some(match env::var("AWS_REGION") {
        Ok(region) => format!("{name}-{region}"),
        Err(_) => name,
    })
}
