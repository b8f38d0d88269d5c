//! What the other instances say, before a restored backup of this one acts.

use easytier_uptime_store::{Store, domain::Role};
use futures::future::join_all;

use super::{
    client::SyncClient,
    introduction::Machine,
    members,
    options::InstanceOptions,
    status::SharedStatus,
    tools::{StepError, Tools},
};

/// What the other instances said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The highest epoch that one of them named; 0 when none answered.
    pub epoch: i64,
    /// The name of the one that leads instead of this instance.
    pub leader: Option<String>,
    /// How many answered.
    pub answered: usize,
    /// How many were asked.
    pub known: usize,
}

/// Asks all instances that this one knows who leads.
///
/// # Errors
///
/// [`StepError::NoSecret`] when there are some and the secret of the cluster is missing; otherwise when the database fails, or no
/// requests can be made at all.
pub async fn ask_others(store: &Store, options: &InstanceOptions) -> Result<Asked, StepError> {
    let (instance, others) = (store.instance().await?, store.members().await?);
    if !others.is_empty() && options.secret.is_none() {
        return Err(StepError::NoSecret);
    }
    let (client, machine) = (SyncClient::new(options.connection_timeout)?, Machine::default());
    let status = &SharedStatus::default();
    let tools = Tools { store, options, client: &client, status, machine: &machine };
    let answers = join_all(others.iter().map(|member| members::ask(tools, &instance, member))).await;
    let answers: Vec<_> = others.iter().zip(answers).filter_map(|(member, answer)| Some((member, answer?))).collect();
    // A dependent may still follow this instance, and one that led before may not know its successor.
    let leads = |epoch: i64, role: Option<Role>| role == Some(Role::Primary) && epoch >= instance.epoch;
    let leader =
        answers.iter().filter(|(_, order)| leads(order.epoch, order.role)).max_by_key(|(_, order)| order.epoch);
    Ok(Asked {
        epoch: answers.iter().map(|(_, order)| order.epoch).max().unwrap_or(0),
        leader: leader.map(|(member, _)| member.name.clone()),
        answered: answers.len(),
        known: others.len(),
    })
}
