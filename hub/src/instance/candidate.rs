//! What a dependent does when the primary is lost: it asks the other dependents, and follows the new primary or becomes it.

use std::time::Duration;

use easytier_uptime_store::domain::{Instance, Leader, Leadership, Member, Role, Timestamp};
use futures::future::join_all;

use super::{
    election::{Answer, Candidate, Decision, View, decide},
    members,
    tools::{StepError, Tools},
    wire::FailoverOrder,
};

/// Asks the other instances once, and acts on what they say. `interval`: the time between two rounds.
///
/// # Errors
///
/// When the database fails.
pub async fn round(tools: Tools<'_>, interval: Duration) -> Result<(), StepError> {
    let Tools { store, options, status, .. } = tools;
    let instance = store.instance().await?;
    let leader = instance.leader.as_ref().map(|leader| leader.id);
    let mut others = store.members().await?;
    // The lost primary would only delay the answer: it may take connections and never answer.
    others.retain(|member| Some(member.id) != leader);
    let answers = join_all(others.iter().map(|member| members::ask(tools, &instance, member))).await;
    let answers: Vec<(&Member, Option<FailoverOrder>)> = others.iter().zip(answers).collect();

    if let Some(leadership) = new_primary(&instance, &answers) {
        tracing::info!(primary = %leadership.leader.name, epoch = leadership.epoch, "another instance took the primary's place");
        store.follow(&leadership).await?;
        return Ok(());
    }
    let others: Vec<(Candidate, Answer)> =
        answers.iter().map(|(member, order)| (candidate(member), answer(order.as_ref()))).collect();
    let reached_any = others.iter().any(|(_, answer)| *answer != Answer::None);
    let view = View {
        primary_lost: true,
        own: Candidate {
            id: instance.id,
            name: options.name.clone(),
            order: store.own_order(options.failover_order).await?,
            called_back: store.called_back().await?,
        },
        others,
        has_connection: reached_any || store.saw_peer_online(Timestamp::now() - interval).await?,
    };
    match decide(&view) {
        Decision::Stay(reason) => {
            tracing::warn!(%reason, "the primary is lost, and this instance does not take its place");
            status.update(|status| status.reason = Some(reason.to_string()));
        }
        Decision::Promote => {
            let seen = answers.iter().filter_map(|(_, order)| order.as_ref().map(|order| order.epoch)).max();
            let seen = seen.unwrap_or_default().max(instance.epoch);
            let promoted = store.promote(&options.name, options.endpoint(), instance.epoch, seen).await?;
            tracing::warn!(epoch = promoted.epoch, "the primary is lost; this instance is the primary now");
        }
    }
    Ok(())
}

/// Another primary, which says so itself.
fn new_primary(instance: &Instance, answers: &[(&Member, Option<FailoverOrder>)]) -> Option<Leadership> {
    let leads = |order: &&FailoverOrder| order.role == Some(Role::Primary) && order.epoch >= instance.epoch;
    answers
        .iter()
        .filter_map(|(member, order)| order.as_ref().filter(leads).map(|order| (member, order)))
        .max_by_key(|(_, order)| order.epoch)
        .map(|(member, order)| Leadership {
            cluster: order.cluster_id,
            epoch: order.epoch,
            leader: Leader { id: member.id, name: member.name.clone(), url: member.public_endpoint.clone() },
        })
}

fn candidate(member: &Member) -> Candidate {
    Candidate {
        id: member.id,
        name: member.name.clone(),
        order: member.failover_order,
        called_back: member.called_back_at.is_some(),
    }
}

fn answer(order: Option<&FailoverOrder>) -> Answer {
    match order {
        None => Answer::None,
        Some(order) if order.primary_reachable == Some(true) => Answer::SeesPrimary,
        Some(_) => Answer::MissesPrimary,
    }
}
