//! Making peers, channels and maintenance windows of a hub what a document says.

use easytier_uptime_hub::service::apply::{Action, Step, Wanted};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Desk, DeskError, admin};
use crate::hub::channel::alerts;

/// One step, as the API has it.
#[derive(Debug, Deserialize)]
pub struct AppliedStep {
    pub action: Action,
    pub kind: String,
    pub name: String,
    pub fields: Vec<String>,
}

#[derive(Deserialize)]
struct Applied {
    steps: Vec<AppliedStep>,
}

/// What there should be.
pub struct Application {
    /// The document, with secrets in place.
    pub document: Map<String, Value>,
    /// Whether what it does not name is removed.
    pub prune: bool,
    /// Whether nothing is changed.
    pub dry_run: bool,
}

impl From<Step> for AppliedStep {
    fn from(Step { action, kind, name, fields }: Step) -> Self {
        Self { action, kind: kind.to_owned(), name, fields: fields.into_iter().map(str::to_owned).collect() }
    }
}

impl Desk {
    /// Does what it takes, all or nothing, and returns it.
    pub async fn apply(&self, application: Application) -> Result<Vec<AppliedStep>, DeskError> {
        let Application { mut document, prune, dry_run } = application;
        match self {
            Self::Here(store) => {
                let wanted = Wanted::read(document)?;
                let plan = admin(store).plan(&alerts(store), Wanted { prune, ..wanted }).await?;
                if !dry_run {
                    admin(store).carry_out(&plan).await?;
                }
                Ok(plan.steps.into_iter().map(AppliedStep::from).collect())
            }
            Self::There(hub) => {
                document.insert("prune".to_owned(), prune.into());
                document.insert("dry_run".to_owned(), dry_run.into());
                let document = Value::Object(document);
                Ok(hub.send::<Applied>(Method::POST, &["admin", "apply"], Some(&document)).await?.steps)
            }
        }
    }
}
