//! Clients of the AWS services that the function uses, each created at its first use.

use aws_config::SdkConfig;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use tokio::sync::OnceCell;

/// The clients. They share one configuration, so credentials are looked up once.
#[derive(Default)]
pub struct Aws {
    config: OnceCell<SdkConfig>,
    ssm: OnceCell<aws_sdk_ssm::Client>,
    secrets_manager: OnceCell<aws_sdk_secretsmanager::Client>,
    sqs: OnceCell<aws_sdk_sqs::Client>,
}

impl Aws {
    pub async fn ssm(&self) -> &aws_sdk_ssm::Client {
        self.ssm.get_or_init(|| async { aws_sdk_ssm::Client::new(self.config().await) }).await
    }

    pub async fn secrets_manager(&self) -> &aws_sdk_secretsmanager::Client {
        self.secrets_manager.get_or_init(|| async { aws_sdk_secretsmanager::Client::new(self.config().await) }).await
    }

    pub async fn sqs(&self) -> &aws_sdk_sqs::Client {
        self.sqs.get_or_init(|| async { aws_sdk_sqs::Client::new(self.config().await) }).await
    }

    async fn config(&self) -> &SdkConfig {
        self.config
            .get_or_init(|| async {
                let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
                aws_config::from_env().http_client(http).load().await
            })
            .await
    }
}
