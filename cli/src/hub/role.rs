//! `hub role`, `hub join`, `hub promote` and `hub demote`: the role of this instance, beside its running hub.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use easytier_uptime_config::values;
use easytier_uptime_hub::instance;
use easytier_uptime_store::{
    Access, Store,
    domain::{Instance, Member, Role, Timestamp},
};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{config::HubConfig, database};
use crate::{exit::Exit, print, text::printable};

/// The time between two looks at the progress of a hand-over.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Shows the role of this instance in its cluster, or leaves the cluster
///
/// An instance is a database with the hubs on it. It is standalone, the primary, or a dependent of a primary. The
/// variables ENABLE_SYNC_API and PRIMARY_SYNC_URL decide the role at the first start, and again when they change; between
/// that, the role is in the database. The name is that of INSTANCE_NAME, else the host name.
#[derive(Debug, Args)]
pub struct RoleArgs {
    /// Leave the cluster: this instance becomes standalone and keeps the peers that it has
    #[arg(long)]
    leave: bool,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

/// Makes this instance a dependent of a primary
///
/// It takes the primary's configuration, passes results on, and can take its place. Both need the same SYNC_SECRET. The
/// peers of this instance are set aside: they stay with their history, and are not checked any more. 'hub role --leave'
/// brings them back. A running hub follows within seconds.
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// URL of the primary's synchronisation API, such as http://hub-1:3002
    url: String,
}

/// Makes an instance the primary
///
/// At the primary: hands over to the dependent NAME. Changes wait until it has configuration and results, so nothing is
/// lost. Both hubs must be running.
///
/// At a dependent whose primary is lost: makes this instance, whose name is NAME, the primary at once. What the lost one
/// had alone is merged when it returns.
#[derive(Debug, Args)]
pub struct PromoteArgs {
    /// Name of the instance (first column of 'hub role')
    name: String,
}

/// Makes the primary a dependent
///
/// It hands over to the first dependent in the failover order that sends heartbeats and can be reached. Nothing is lost.
#[derive(Debug, Args)]
pub struct DemoteArgs {
    /// Name of the primary, which is this instance
    name: String,
}

pub fn run_role(args: &RoleArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    let access = if args.leave { Access::Change } else { Access::Read };
    database::with(access, config, async |store| {
        if args.leave {
            store.leave().await.context("cannot leave the cluster")?;
            print::line("this instance is standalone now")?;
            return Ok(Exit::Success);
        }
        show(store, config, args.json).await
    })
}

async fn show(store: &Store, config: &HubConfig, json: bool) -> anyhow::Result<Exit> {
    let (instance, members) = (store.instance().await?, store.members().await?);
    let configured = config.instance.role.role();
    if json {
        let others = members.iter().map(|member| {
            json!({
                "instance_id": member.id,
                "name": member.name,
                "role": instance.role_of(member.id),
                "failover_order": member.failover_order,
                "public_endpoint": member.public_endpoint,
                "last_heartbeat": member.last_heartbeat,
                "config_version": member.config.to_string(),
            })
        });
        print::json(&json!({
            "instance_id": instance.id,
            "name": config.instance.options.name,
            "role": instance.role,
            "configured": configured,
            "cluster_id": instance.cluster,
            "epoch": instance.epoch,
            "primary": instance.leader.as_ref().map(|leader| json!({"name": leader.name, "url": leader.url})),
            "config_version": instance.config.to_string(),
            "synced_at": instance.synced_at,
            "sync_error": instance.sync_error,
            "instances": others.collect::<Vec<_>>(),
        }))?;
        return Ok(Exit::Success);
    }
    print::line(sentence(&instance, config))?;
    if configured != instance.role {
        print::line(format!("configured: {}", configured.as_str()))?;
    }
    if !members.is_empty() {
        let rows: Vec<_> = members.iter().map(|member| row(member, &instance)).collect();
        print::table(["INSTANCE", "ROLE", "ORDER", "ENDPOINT", "LAST HEARTBEAT", "CONFIG"], &rows)?;
    }
    Ok(Exit::Success)
}

fn sentence(instance: &Instance, config: &HubConfig) -> String {
    let name = printable(&config.instance.options.name);
    let leader = instance.leader.as_ref().map(|leader| match &leader.url {
        Some(url) => format!("{} at {}", printable(&leader.name), printable(url)),
        None => printable(&leader.name),
    });
    match (instance.role, leader) {
        (Role::Standalone, _) => format!("'{name}' is standalone"),
        (Role::Primary, _) => format!("'{name}' is the primary, epoch {}", instance.epoch),
        (Role::Dependent, leader) => {
            let leader = leader.unwrap_or_else(|| "an unknown primary".to_owned());
            let synced = match (&instance.sync_error, instance.synced_at) {
                (Some(error), _) => format!("the last synchronisation failed: {}", printable(error)),
                (None, Some(at)) => format!("synchronised at {at}"),
                (None, None) => "not synchronised yet".to_owned(),
            };
            format!("'{name}' is a dependent of {leader}, epoch {}; {synced}", instance.epoch)
        }
    }
}

fn row(member: &Member, instance: &Instance) -> [String; 6] {
    [
        printable(&member.name),
        instance.role_of(member.id).as_str().to_owned(),
        member.failover_order.to_string(),
        member.public_endpoint.as_deref().map(printable).unwrap_or_default(),
        member.last_heartbeat.map(|at| at.to_string()).unwrap_or_default(),
        member.config.to_string(),
    ]
}

pub fn run_join(args: &JoinArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    let url = values::base_url(&args.url).map_err(|problem| anyhow!("'{}': {problem}", args.url))?;
    if config.instance.options.secret.is_none() {
        bail!(
            "SYNC_SECRET is missing; set it at both instances to the same secret of at least 32 characters. Here is a new one: {}",
            new_secret()
        );
    }
    database::with(Access::Change, config, async |store| {
        let own = config.instance.own(config.listen).await;
        instance::join(store, &own.options, &url.join(""))
            .await
            .with_context(|| format!("cannot join the primary at {url}"))?;
        let instance = store.instance().await?;
        print::line(sentence(&instance, config))?;
        Ok(Exit::Success)
    })
}

fn new_secret() -> String {
    data_encoding::HEXLOWER.encode(&easytier_uptime_store::random::<32>())
}

pub fn run_promote(args: &PromoteArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    database::with(Access::Change, config, async |store| {
        let instance = store.instance().await?;
        let own_name = &config.instance.options.name;
        match instance.role {
            Role::Standalone => bail!("this instance is standalone; set ENABLE_SYNC_API to make it a primary"),
            Role::Primary if args.name == *own_name => bail!("'{}' is the primary already", printable(own_name)),
            Role::Primary => {
                let to = member(store, |member| member.name == args.name)
                    .await?
                    .ok_or_else(|| anyhow!("there is no instance '{}'; see 'hub role'", printable(&args.name)))?;
                hand_over(store, &to, config).await
            }
            Role::Dependent if args.name == *own_name => {
                // As the running hub says it: PUBLIC_URL, else the outbound address.
                let own = config.instance.own(config.listen).await;
                let url = own.options.endpoint();
                let promoted = store.promote(own_name, url, instance.epoch, instance.epoch).await?;
                print::line(format!("'{}' is the primary now, epoch {}", printable(own_name), promoted.epoch))?;
                Ok(Exit::Success)
            }
            Role::Dependent => bail!(
                "this instance is a dependent: run the command at the primary to hand over, or with the name '{}' to make \
                 this instance the primary although the other one does not hand over",
                printable(own_name)
            ),
        }
    })
}

pub fn run_demote(args: &DemoteArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    database::with(Access::Change, config, async |store| {
        let instance = store.instance().await?;
        if instance.role != Role::Primary || args.name != config.instance.options.name {
            bail!("only the primary can be demoted, by its own name; see 'hub role'");
        }
        let since = Timestamp::now() - config.instance.options.heartbeat_interval * 2;
        let is_there = |member: &Member| member.last_heartbeat.is_some_and(|at| at >= since);
        let to = member(store, |member| is_there(member) && member.called_back_at.is_some())
            .await?
            .ok_or_else(|| anyhow!("there is no dependent that could take the place of '{}'", printable(&args.name)))?;
        hand_over(store, &to, config).await
    })
}

async fn member(store: &Store, is_wanted: impl Fn(&Member) -> bool) -> anyhow::Result<Option<Member>> {
    Ok(store.members().await?.into_iter().find(is_wanted))
}

/// Asks the running hub to hand over, and waits until it has.
async fn hand_over(store: &Store, to: &Member, config: &HubConfig) -> anyhow::Result<Exit> {
    let patience = config.instance.options.failover_after + Duration::from_secs(10);
    store.hand_over(Some(to.id)).await?;
    let began = Instant::now();
    while began.elapsed() < patience {
        sleep(LOOK_INTERVAL).await;
        let instance = store.instance().await?;
        if instance.role == Role::Dependent {
            print::line(format!("'{}' is the primary now, epoch {}", printable(&to.name), instance.epoch))?;
            return Ok(Exit::Success);
        }
        if store.handing_over_to().await? != Some(to.id) {
            bail!("the hub gave up the hand-over to '{}'; its log says why", printable(&to.name));
        }
    }
    store.hand_over(None).await?;
    bail!("the hub did not hand over within {patience:?}; it must be running, and so must '{}'", printable(&to.name))
}
