//! Flags made from the library's table of settings, so that a setting has one name, one default and one help text.
//!
//! A flag only takes the text. The library puts it before the environment, `.env` and the configuration file, and
//! validates all of it together.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, parser::ValueSource};
use easytier_uptime_config::{Setting, Sources};

/// The settings that a command takes as flags.
pub trait Selection: 'static {
    /// Their names, by heading of the help text.
    const SETTINGS: &'static [(&'static str, &'static [&'static str])];
    /// Defaults other than those of the table, by name.
    const DEFAULTS: &'static [(&'static str, &'static str)] = &[];
    /// Whether the subcommands of the command take them too.
    const OF_SUBCOMMANDS: bool = false;
    /// Whether `-h` lists them, as `--help` does.
    const IN_SHORT_HELP: bool = true;
}

/// What one cycle reads of the settings.
#[derive(Debug, Clone, Copy)]
pub struct OfACycle;

impl Selection for OfACycle {
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
                "ALLOW_PRIVATE_PEERS",
                "ALLOW_LOCAL_PEERS",
            ],
        ),
        ("Log", &["RUST_LOG", "LOG_FORMAT"]),
    ];
}

/// The settings that were given as flags, by name.
pub struct SettingFlags<S = OfACycle> {
    given: BTreeMap<String, String>,
    selection: PhantomData<S>,
}

impl<S> SettingFlags<S> {
    /// Where the configuration of this process is from, these flags first.
    pub fn sources(self) -> Sources {
        Sources::from_process(self.given)
    }

    /// By name.
    pub fn into_given(self) -> BTreeMap<String, String> {
        self.given
    }
}

fn settings<S: Selection>() -> impl Iterator<Item = (&'static str, &'static Setting)> {
    S::SETTINGS.iter().flat_map(|(heading, names)| {
        names.iter().map(move |name| (*heading, Setting::named(name).expect("the table has the setting")))
    })
}

impl<S: Selection> Args for SettingFlags<S> {
    fn augment_args(command: Command) -> Command {
        let default_of = |setting: &Setting| {
            let own = S::DEFAULTS.iter().find(|(name, _)| *name == setting.name);
            own.map(|(_, default)| *default).or(setting.default)
        };
        let flags = settings::<S>().map(|(heading, setting)| flag(setting, default_of(setting)).help_heading(heading));
        command.args(flags.map(|flag| flag.global(S::OF_SUBCOMMANDS).hide_short_help(!S::IN_SHORT_HELP)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn flag(setting: &'static Setting, default: Option<&'static str>) -> Arg {
    let mut help = setting.help.to_owned();
    if setting.is_secret {
        help += ". Other users of this machine can read a flag in the list of processes: prefer the environment";
    }
    let mut arg = Arg::new(setting.name)
        .long(setting.flag())
        .value_name(setting.value_name)
        .help(help)
        .action(ArgAction::Set)
        // So that the help tells the name; the value is read from there by the library.
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

/// Values may be secret: the names alone are shown.
impl<S> fmt::Debug for SettingFlags<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.given.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(args: &[&str]) -> SettingFlags {
        let command = SettingFlags::<OfACycle>::augment_args(Command::new("test").no_binary_name(true));
        SettingFlags::from_arg_matches(&command.get_matches_from(args)).unwrap()
    }

    fn parsed(args: &[&str]) -> BTreeMap<String, String> {
        flags(args).into_given()
    }

    #[test]
    fn only_what_was_given_is_taken() {
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
