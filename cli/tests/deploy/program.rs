//! The commands, flags and settings of the program, from its help texts.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::{Command, Output, Stdio},
    sync::{Mutex, PoisonError},
};

use easytier_uptime_config::Setting;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_easytier-uptime");

/// The default port.
pub fn default_port() -> u16 {
    let port = Setting::named("SERVER_PORT").and_then(|setting| setting.default).expect("it has a default");
    port.parse().expect("a port")
}

/// A command and its options.
pub struct Usage {
    pub name: String,
    pub commands: BTreeSet<String>,
    /// With their dashes.
    flags: BTreeSet<String>,
}

impl Usage {
    /// Parses the output of `--help`.
    pub fn of(command: &[&str]) -> Self {
        let help = help(command);
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        let commands =
            listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).filter(|name| !name.is_empty());
        let flags =
            help.lines().map(str::trim_start).filter(|line| line.starts_with('-') || line.starts_with("[aliases: "));
        Self {
            name: command.join(" "),
            commands: commands.map(str::to_owned).collect(),
            flags: flags.flat_map(flags_of).collect(),
        }
    }

    /// All its flags, with their dashes.
    pub fn into_flags(self) -> BTreeSet<String> {
        self.flags
    }

    fn has_flag(&self, flag: &str) -> bool {
        self.flags.contains(flag)
    }

    /// Whether the command reads the setting.
    pub fn reads(&self, setting: &Setting) -> bool {
        self.has_flag(&format!("--{}", setting.flag()))
    }
}

/// The help of a command. Each is asked for once, because many files name the same commands.
fn help(command: &[&str]) -> String {
    static HELPS: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    let mut helps = HELPS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = helps.entry(command.join(" ")).or_insert_with(|| {
        let output = Command::new(PROGRAM).args(command).arg("--help").env_clear().output().expect("it runs");
        assert!(output.status.success(), "there is no command {command:?}");
        String::from_utf8(output.stdout).expect("help is text")
    });
    known.clone()
}

/// The words in a line that begin with two dashes.
pub fn flags_of(line: &str) -> Vec<String> {
    let words = line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words.filter(|word| word.len() > 2 && word.starts_with("--")).map(str::to_owned).collect()
}

/// Asserts that the arguments after `easytier-uptime` name a command and its flags.
#[track_caller]
pub fn assert_command(words: &[&str]) -> Usage {
    let mut usage = Usage::of(&[]);
    let mut command = Vec::new();
    for word in words {
        if !usage.commands.contains(*word) {
            break;
        }
        command.push(*word);
        usage = Usage::of(&command);
    }
    let rest = &words[command.len()..];
    if let Some(word) = rest.first().filter(|word| !usage.commands.is_empty() && !word.starts_with('-')) {
        panic!("'{}' has no command '{word}'", usage.name);
    }
    for flag in rest.iter().flat_map(|word| word.split('=').next()).filter(|word| word.starts_with("--")) {
        assert!(usage.has_flag(flag), "'{}' takes no {flag}", usage.name);
    }
    usage
}

/// Asserts that the command reads a setting of this name.
#[track_caller]
pub fn assert_setting(usage: &Usage, name: &str) {
    let setting = Setting::named(name).unwrap_or_else(|| panic!("there is no setting {name}"));
    assert!(usage.reads(setting), "'{}' does not read {name}", usage.name);
}

/// Runs the program with only these variables, in an empty folder.
pub fn run(args: &[&str], variables: &[(String, String)]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(PROGRAM);
    command.args(args).current_dir(folder.path()).env_clear().envs(variables.iter().cloned());
    command.stdin(Stdio::null()).output().expect("it runs")
}

/// Asserts that the program refuses to start with these variables, and names each.
#[track_caller]
pub fn assert_refused(args: &[&str], variables: &[(String, String)], names: &[&str]) {
    let output = run(args, variables);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for name in names {
        assert!(said.contains(&format!("  {name} (environment): ")), "nothing is said of {name}:\n{said}");
    }
}
