//! `easytier-uptime-lambda`: the probe cycle as an AWS Lambda function.
//!
//! What lives as long as a sandbox is in `sandbox`, what one invocation does in `invocation`.

mod aws;
mod event;
mod help;
mod invocation;
mod logging;
mod peers;
mod queue;
mod report;
mod sandbox;
mod secrets;

use std::{collections::BTreeMap, env};

use easytier_uptime_config::{LogFormat, Sources};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

use self::sandbox::Sandbox;

/// One thread: a function has less than one core up to 1769 MB.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if env::args().nth(1).is_some() {
        print!("{}", help::text());
        return Ok(());
    }
    let sandbox = Sandbox::new(Sources::from_process(BTreeMap::new()), function());
    match &sandbox {
        Ok(sandbox) => logging::start(sandbox.log_filter(), sandbox.config.log_format),
        Err(_) => logging::start(logging::filter("info").expect("a level is a filter"), LogFormat::Json),
    }
    // A configuration that is wrong is told to whoever invokes the function: of a process that ends, Lambda tells no
    // more than that it did.
    let handler = service_fn(|event: LambdaEvent<Value>| invocation::run(sandbox.as_ref(), event));
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
