//! The options for a network and its secret.

use std::{fs, path::PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use easytier_probe::{Membership, Secret, peer::DEFAULT_NETWORK_NAME};

const SECRET_VARIABLE: &str = "NETWORK_SECRET";

#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub struct NetworkArgs {
    /// Name of the network; requires a secret [default with a secret: "default"]
    #[arg(long, value_name = "NAME")]
    network_name: Option<String>,
    /// Secret of the network; "" for a network without one. Other users of this machine can see flags in the list of
    /// processes; prefer the environment or a file
    #[arg(long, value_name = "SECRET", env = SECRET_VARIABLE, hide_env_values = true)]
    network_secret: Option<Secret>,
    /// File that holds the secret, instead of --network-secret; a line break at its end is ignored
    #[arg(long, value_name = "PATH")]
    network_secret_file: Option<PathBuf>,
}

impl NetworkArgs {
    /// Whether an option says something, and not only the environment.
    pub fn is_given(&self) -> bool {
        let secret = self.network_secret.as_ref().filter(|secret| !is_from_environment(secret));
        self.network_name.is_some() || self.network_secret_file.is_some() || secret.is_some()
    }

    /// The network that the options name, if any.
    pub fn membership(self) -> anyhow::Result<Option<Membership>> {
        let secret = match (self.network_secret, self.network_secret_file) {
            (Some(secret), Some(_)) if !is_from_environment(&secret) => {
                bail!("--network-secret and --network-secret-file exclude each other; remove one of them")
            }
            (_, Some(path)) => Some(read_secret(path)?),
            (secret, None) => secret,
        };
        match (self.network_name, secret) {
            (Some(name), None) => bail!(
                "--network-name {name} requires the secret of the network: add --network-secret or --network-secret-file, \
                 with an empty secret if the network has none"
            ),
            (name, Some(network_secret)) => {
                let network_name = name.unwrap_or_else(|| DEFAULT_NETWORK_NAME.to_owned());
                Ok(Some(Membership { network_name, network_secret }))
            }
            (None, None) => Ok(None),
        }
    }
}

/// A file overrides the environment, but not a flag. clap's derived arguments do not say which of them gave a value.
fn is_from_environment(secret: &Secret) -> bool {
    std::env::var(SECRET_VARIABLE).is_ok_and(|value| value == secret.expose())
}

fn read_secret(path: PathBuf) -> anyhow::Result<Secret> {
    let text = fs::read_to_string(&path)
        .with_context(|| format!("cannot read the network secret from '{}'", path.display()))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).into())
}
