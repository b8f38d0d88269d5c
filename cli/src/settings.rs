//! Flags that are made from the tables of settings, so that a setting has one name, one default and one help text.
//!
//! clap takes any text. The configuration crate validates it together with the environment, `.env` and the TOML file.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, parser::ValueSource};
use easytier_uptime_config::{Setting, Sources};

/// The settings that a command takes as flags.
pub trait Selection: 'static {
    /// The names of the settings, by heading of the help text.
    const SETTINGS: &'static [(&'static str, &'static [&'static str])];
    /// Whether subcommands take the flags too.
    const FOR_SUBCOMMANDS: bool = false;
    /// Whether `-h` lists the flags, as `--help` does.
    const IN_SHORT_HELP: bool = true;
}

/// The group of settings for the results that a hub keeps.
pub const RESULT_SETTINGS: (&str, &[&str]) = (
    "Results",
    &[
        "FLAP_DAMPING",
        "REGION_DOUBT_NODES",
        "RESULT_RETENTION",
        "FIVE_MINUTE_RETENTION",
        "HOUR_RETENTION",
        "EVENT_RETENTION",
        "RELAY_CHECK_INTERVAL",
    ],
);

/// The settings of a single cycle.
#[derive(Debug, Clone, Copy)]
pub struct CycleSettings;

impl Selection for CycleSettings {
    const SETTINGS: &'static [(&'static str, &'static [&'static str])] = &[
        (
            "Backend",
            &["CONFIG_FILE", "BACKEND_BASE_URL", "NODE_TOKEN", "API_KEY", "REGION", "SERVER_ID", "REPORT_STYLE"],
        ),
        (
            "Checking",
            &[
                "HEALTH_CHECK_TIMEOUT",
                "HEALTH_CHECK_PINGS",
                "CHECK_CONCURRENCY",
                "SELF_CHECK_TARGETS",
                "ALLOW_PRIVATE_PEERS",
                "ALLOW_LOCAL_PEERS",
            ],
        ),
        ("Log", &["RUST_LOG", "LOG_FORMAT"]),
    ];
}

/// The settings that were given as flags.
pub struct SettingFlags<S = CycleSettings> {
    /// By name.
    given: BTreeMap<String, String>,
    selection: PhantomData<S>,
}

impl<S> SettingFlags<S> {
    /// The sources of this process's configuration, with these flags as the highest layer.
    pub fn sources(self) -> Sources {
        Sources::from_process(self.given)
    }

    /// The values, by the name of the setting.
    pub fn into_map(self) -> BTreeMap<String, String> {
        self.given
    }
}

#[expect(clippy::expect_used, reason = "the names are constants")]
fn settings<S: Selection>() -> impl Iterator<Item = (&'static str, &'static Setting)> {
    S::SETTINGS.iter().flat_map(|(heading, names)| {
        names.iter().map(move |name| (*heading, Setting::named(name).expect("the table has the setting")))
    })
}

impl<S: Selection> Args for SettingFlags<S> {
    fn augment_args(command: Command) -> Command {
        let flags = settings::<S>().map(|(heading, setting)| flag(setting, setting.default).help_heading(heading));
        command.args(flags.map(|flag| flag.global(S::FOR_SUBCOMMANDS).hide_short_help(!S::IN_SHORT_HELP)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn flag(setting: &'static Setting, default: Option<&'static str>) -> Arg {
    let mut help = setting.help.to_owned();
    if setting.is_secret {
        help += ". Other users of this machine can see flags in the list of processes; prefer the environment";
    }
    let mut arg = Arg::new(setting.name)
        .long(setting.flag())
        .value_name(setting.value_name)
        .help(help)
        .action(ArgAction::Set)
        // Only for the help text: the configuration crate reads the environment.
        .env(setting.name)
        .hide_env_values(true);
    if setting.name == "CONFIG_FILE" {
        arg = arg.long("config").visible_alias("config-file");
    }
    if setting.name == "DISTRIBUTED_MODE_ENABLED" {
        arg = arg.visible_alias("distributed-mode");
    }
    if let Some(default) = default {
        arg = arg.default_value(default);
    }
    if setting.is_boolean() {
        arg = arg.num_args(0..=1).require_equals(true).default_missing_value("true");
    }
    arg
}

impl<S: Selection> FromArgMatches for SettingFlags<S> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self { given: BTreeMap::new(), selection: PhantomData };
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for (_, setting) in settings::<S>() {
            if matches.value_source(setting.name) == Some(ValueSource::CommandLine)
                && let Some(value) = matches.get_one::<String>(setting.name)
            {
                self.given.insert(setting.name.to_owned(), value.clone());
            }
        }
        Ok(())
    }
}

/// Values may be secret, so only names are shown.
impl<S> fmt::Debug for SettingFlags<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.given.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(args: &[&str]) -> SettingFlags {
        let command = SettingFlags::<CycleSettings>::augment_args(Command::new("test").no_binary_name(true));
        SettingFlags::from_arg_matches(&command.get_matches_from(args)).unwrap()
    }

    fn parsed(args: &[&str]) -> BTreeMap<String, String> {
        flags(args).into_map()
    }

    #[test]
    fn flags_that_are_not_given_have_no_value() {
        assert_eq!(parsed(&[]), BTreeMap::new());
        let given = parsed(&["--region", "eu", "--allow-local-peers", "--config", "a.toml"]);
        let expected = [("ALLOW_LOCAL_PEERS", "true"), ("CONFIG_FILE", "a.toml"), ("REGION", "eu")];
        assert_eq!(given, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert_eq!(parsed(&["--allow-private-peers=false"])["ALLOW_PRIVATE_PEERS"], "false");
    }

    #[test]
    fn secrets_are_not_in_the_debug_output() {
        let flags = flags(&["--node-token", "hunter2"]);
        assert_eq!(format!("{flags:?}"), r#"{"NODE_TOKEN"}"#);
    }
}
