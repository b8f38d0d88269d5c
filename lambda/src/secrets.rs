//! Secrets by reference: `ssm:<parameter name>`, `secretsmanager:<arn or name>`, or the plain value.

use std::error::Error;

use aws_sdk_ssm::error::DisplayErrorContext;
use easytier_probe::Secret;

use crate::aws::Aws;

const SSM: &str = "ssm:";
const SECRETS_MANAGER: &str = "secretsmanager:";

/// Why a secret cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error(
        "{setting}: the parameter '{name}' cannot be read: {cause}; the function's role needs ssm:GetParameter for it"
    )]
    Parameter { setting: &'static str, name: String, cause: String },
    #[error(
        "{setting}: the secret '{name}' cannot be read: {cause}; the function's role needs secretsmanager:GetSecretValue \
         for it"
    )]
    Secret { setting: &'static str, name: String, cause: String },
    #[error("{setting}: '{name}' holds no text")]
    Empty { setting: &'static str, name: String },
}

/// Whether the value is a reference to a secret.
pub fn is_reference(value: &Secret) -> bool {
    [SSM, SECRETS_MANAGER].iter().any(|scheme| value.expose().starts_with(scheme))
}

/// Returns the secret that `value` is or refers to. Errors name `setting`.
pub async fn resolve(aws: &Aws, setting: &'static str, value: &Secret) -> Result<Secret, SecretError> {
    let text = value.expose();
    let (name, found) = if let Some(name) = text.strip_prefix(SSM) {
        (name, parameter(aws, setting, name).await?)
    } else if let Some(name) = text.strip_prefix(SECRETS_MANAGER) {
        (name, secret(aws, setting, name).await?)
    } else {
        return Ok(value.clone());
    };
    match found.map(|found| found.trim().to_owned()).filter(|found| !found.is_empty()) {
        Some(found) => Ok(found.into()),
        None => Err(SecretError::Empty { setting, name: name.to_owned() }),
    }
}

async fn parameter(aws: &Aws, setting: &'static str, name: &str) -> Result<Option<String>, SecretError> {
    let request = aws.ssm().await.get_parameter().name(name).with_decryption(true);
    let answer = request.send().await.map_err(|error| SecretError::Parameter {
        setting,
        name: name.to_owned(),
        cause: cause(&error),
    })?;
    Ok(answer.parameter.and_then(|parameter| parameter.value))
}

async fn secret(aws: &Aws, setting: &'static str, name: &str) -> Result<Option<String>, SecretError> {
    let request = aws.secrets_manager().await.get_secret_value().secret_id(name);
    let answer = request.send().await.map_err(|error| SecretError::Secret {
        setting,
        name: name.to_owned(),
        cause: cause(&error),
    })?;
    Ok(answer.secret_string)
}

fn cause(error: &(impl Error + 'static)) -> String {
    DisplayErrorContext(error).to_string()
}
