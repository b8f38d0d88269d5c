//! `hub`: the backend that probes report to, and the commands of its operator.

mod alerts;
mod announcement;
mod apply;
mod backup;
mod channel;
mod channel_add;
pub mod config;
mod credential;
pub mod database;
mod desk;
mod discovery;
mod doctor;
mod events;
mod incident;
pub mod instance;
mod maintenance;
mod password;
mod peer;
mod probe;
mod region;
mod remote;
mod restore;
mod role;
mod rotate;
mod rule;
pub mod serve;
mod settings;
mod source;
mod status;
mod subscriptions;

use anyhow::bail;
use clap::{Args, Subcommand};
use easytier_uptime_config::Setting;

use self::{
    alerts::AlertsArgs,
    announcement::AnnouncementCommand,
    apply::ApplyArgs,
    backup::BackupArgs,
    channel::ChannelCommand,
    config::{DatabaseSettings, HubConfig, ServerSettings},
    credential::{EnrollCommand, KeyCommand, TokenCommand},
    doctor::DoctorArgs,
    events::EventsArgs,
    incident::IncidentCommand,
    maintenance::MaintenanceCommand,
    password::PasswordArgs,
    peer::PeerCommand,
    probe::ProbeCommand,
    region::RegionCommand,
    restore::RestoreArgs,
    role::{DemoteArgs, JoinArgs, PromoteArgs, RoleArgs},
    rule::RuleCommand,
    serve::Hub,
    settings::SettingsArgs,
    source::SourceCommand,
    status::StatusArgs,
    subscriptions::SubscriptionsArgs,
};
use crate::{exit::Exit, service, settings::SettingFlags};

const EXAMPLES: &str = "\
Examples:
  easytier-uptime hub                                  run the hub, with its database in this folder
  easytier-uptime hub peer add tcp://192.0.2.7:11010   add a node to check
  easytier-uptime hub token create --name probe-1      create a NODE_TOKEN for a probe
  easytier-uptime hub peer import https://example.com  import the nodes of another site

The subcommands work on the hub's database, whether the hub is running or not. Run them in its folder, or
name the database with DATABASE_PATH, or with DATABASE_URL and HUB_KEY. The first line that 'hub'
prints is its address; the first start prints the admin's password too.

Those that have the option --hub also work on a hub elsewhere, with a key of that hub in API_KEY: most of
'peer', 'probe', 'region', 'events', 'status', 'settings' and 'apply'. All others need the database.

Settings are read from flags, the environment, a .env file in the working directory, and the file
of --config, in this order.

Exit codes:
  0  done; for 'hub' itself: stopped by Ctrl-C or SIGTERM
  1  'hub' was stopped at once by a second signal, without waiting for running requests
  2  bad usage or configuration, or the database could not be used";

/// Runs the hub that probes report to, and manages its peers, tokens, keys and settings
///
/// The hub lists peers to probes, stores their results, and serves them to launchers, dashboards and people. Without a
/// subcommand it runs until it is stopped. No configuration is required: the database 'uptime.db', its key and the admin's
/// password are created at the first start.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct HubArgs {
    #[command(subcommand)]
    command: Option<HubCommand>,

    #[command(flatten)]
    database: SettingFlags<DatabaseSettings>,

    #[command(flatten)]
    server: SettingFlags<ServerSettings>,
}

#[derive(Debug, Subcommand)]
enum HubCommand {
    #[command(subcommand)]
    Peer(PeerCommand),
    #[command(subcommand)]
    Probe(ProbeCommand),
    #[command(subcommand)]
    Region(RegionCommand),
    #[command(subcommand)]
    Token(TokenCommand),
    #[command(subcommand)]
    Key(KeyCommand),
    #[command(subcommand)]
    Enroll(EnrollCommand),
    #[command(subcommand)]
    Announcement(AnnouncementCommand),
    #[command(subcommand)]
    Incident(IncidentCommand),
    #[command(subcommand)]
    Channel(ChannelCommand),
    #[command(subcommand)]
    Rule(RuleCommand),
    Alerts(AlertsArgs),
    Subscriptions(SubscriptionsArgs),
    #[command(subcommand)]
    Maintenance(MaintenanceCommand),
    #[command(subcommand)]
    Source(SourceCommand),
    Settings(SettingsArgs),
    Status(StatusArgs),
    Doctor(DoctorArgs),
    Apply(ApplyArgs),
    Events(EventsArgs),
    Backup(BackupArgs),
    Restore(RestoreArgs),
    Password(PasswordArgs),
    Role(RoleArgs),
    Join(JoinArgs),
    Promote(PromoteArgs),
    Demote(DemoteArgs),
}

pub fn run(args: HubArgs) -> anyhow::Result<Exit> {
    let HubArgs { command, database, server } = args;
    let (database, server) = (database.into_map(), server.into_map());
    let Some(command) = command else {
        return service::run::<Hub>(database.into_iter().chain(server).collect());
    };
    if let Some(setting) = server.keys().next().and_then(|name| Setting::named(name)) {
        bail!("--{} applies only when running the hub; remove it", setting.flag());
    }
    let config = HubConfig::load(database);
    if let HubCommand::Doctor(args) = &command {
        return doctor::run(args, config);
    }
    let config = config?;
    match command {
        HubCommand::Doctor(_) => unreachable!("it also runs when the configuration is not valid"),
        HubCommand::Peer(command) => peer::run(command, &config),
        HubCommand::Probe(command) => probe::run(command, &config),
        HubCommand::Region(command) => region::run(command, &config),
        HubCommand::Token(command) => credential::run_token(command, &config),
        HubCommand::Key(command) => credential::run_key(command, &config),
        HubCommand::Enroll(command) => credential::run_enroll(command, &config),
        HubCommand::Announcement(command) => announcement::run(command, &config),
        HubCommand::Incident(command) => incident::run(command, &config),
        HubCommand::Channel(command) => channel::run(command, &config),
        HubCommand::Rule(command) => rule::run(command, &config),
        HubCommand::Alerts(args) => alerts::run(args, &config),
        HubCommand::Subscriptions(args) => subscriptions::run(args, &config),
        HubCommand::Maintenance(command) => maintenance::run(command, &config),
        HubCommand::Source(command) => source::run(command, &config),
        HubCommand::Settings(args) => settings::run(args, &config),
        HubCommand::Status(args) => status::run(&args, &config),
        HubCommand::Apply(args) => apply::run(&args, &config),
        HubCommand::Events(args) => events::run(args, &config),
        HubCommand::Backup(args) => backup::run(args, &config),
        HubCommand::Restore(args) => restore::run(&args, &config),
        HubCommand::Password(args) => password::run(args, &config),
        HubCommand::Role(args) => role::run_role(&args, &config),
        HubCommand::Join(args) => role::run_join(&args, &config),
        HubCommand::Promote(args) => role::run_promote(&args, &config),
        HubCommand::Demote(args) => role::run_demote(&args, &config),
    }
}
