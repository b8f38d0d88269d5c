//! SSM, Secrets Manager and SQS, implemented by moto in a separate process.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use serde_json::{Value, json};

use crate::proxy::{self, Proxy};

/// The variables that direct the SDK to the services.
pub fn variables(url: &str) -> [(&'static str, String); 2] {
    [("AWS_ENDPOINT_URL", url.to_owned()), ("AWS_EC2_METADATA_DISABLED", "true".to_owned())]
}

/// The services, behind a proxy that records the requests.
pub async fn start() -> Proxy {
    Proxy::before(url()).await
}

/// One server for all tests. It ends with this process, at the end of its standard input.
fn url() -> &'static str {
    static SERVER: OnceLock<(Child, String)> = OnceLock::new();
    let (_, url) = SERVER.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/moto-server");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in the target folder");
        let mut command = Command::new("python3");
        command.arg(script).env("CARGO_TARGET_DIR", target).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut server =
            command.spawn().unwrap_or_else(|error| panic!("python3 does not run ({error}); tools/setup installs it"));
        let mut line = String::new();
        BufReader::new(server.stdout.take().expect("piped")).read_line(&mut line).expect("the server prints its URL");
        assert!(line.starts_with("http://"), "tools/moto-server does not start; see its output above");
        (server, line.trim().to_owned())
    });
    url
}

/// Calls an operation of a service, which must succeed.
pub async fn ask(service: &str, target: &str, body: Value) -> Value {
    let credential = format!("test/20260101/us-east-1/{service}/aws4_request");
    let request = proxy::client()
        .post(url())
        .header("x-amz-target", target)
        .header("content-type", "application/x-amz-json-1.1")
        .header("authorization", format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0"))
        .body(body.to_string());
    let answer = request.send().await.expect("the services answer");
    let status = answer.status();
    let text = answer.text().await.expect("the answer is whole");
    assert!(status.is_success(), "{target}: {status}: {text}");
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

/// Creates or overwrites a parameter.
pub async fn put_parameter(name: &str, value: &str) {
    let parameter = json!({"Name": name, "Value": value, "Type": "SecureString", "Overwrite": true});
    ask("ssm", "AmazonSSM.PutParameter", parameter).await;
}

pub async fn create_secret(name: &str, value: &str) {
    ask("secretsmanager", "secretsmanager.CreateSecret", json!({"Name": name, "SecretString": value})).await;
}

pub async fn put_secret(name: &str, value: &str) {
    ask("secretsmanager", "secretsmanager.PutSecretValue", json!({"SecretId": name, "SecretString": value})).await;
}

/// An SQS queue without visibility timeout: a received message that is not deleted is available again at once.
pub struct Queue {
    pub url: String,
}

impl Queue {
    pub async fn create(name: &str) -> Self {
        let attributes = json!({"VisibilityTimeout": "0"});
        let made = ask("sqs", "AmazonSQS.CreateQueue", json!({"QueueName": name, "Attributes": attributes})).await;
        Self { url: made["QueueUrl"].as_str().expect("a URL").to_owned() }
    }

    pub async fn put(&self, body: &str) {
        ask("sqs", "AmazonSQS.SendMessage", json!({"QueueUrl": self.url, "MessageBody": body})).await;
    }

    /// The number of messages in the queue.
    pub async fn length(&self) -> u64 {
        let wanted = json!({"QueueUrl": self.url, "AttributeNames": ["ApproximateNumberOfMessages"]});
        let answer = ask("sqs", "AmazonSQS.GetQueueAttributes", wanted).await;
        answer["Attributes"]["ApproximateNumberOfMessages"].as_str().expect("a number").parse().unwrap()
    }
}
