//! `hub channel add`: a command for each kind of channel, from the settings that the kind has.

use std::{collections::BTreeMap, fs};

use clap::{
    Arg, ArgMatches, Command, Error, FromArgMatches, Subcommand,
    error::{ContextKind, ContextValue, ErrorKind},
};
use easytier_uptime_alerts::{ChannelKind, Field, Format};

/// A channel to add.
#[derive(Debug)]
pub struct AddArgs {
    pub kind: ChannelKind,
    pub name: String,
    pub settings: BTreeMap<String, String>,
}

/// The option of the name of the channel, which no kind has as a setting.
const NAME: &str = "name";

/// The setting that may be written without its option.
const URL: &str = "url";

/// Its option.
const URL_OPTION: &str = "url-option";

fn option(field: &Field) -> String {
    field.name.replace('_', "-")
}

/// A text as the other texts of the help begin.
fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn argument(field: &Field) -> Arg {
    let help = match field.secret {
        true => format!("{} (or @FILE, which holds it)", capitalised(field.english)),
        false => capitalised(field.english),
    };
    let arg = Arg::new(field.name).help(help);
    let arg = match field.format {
        Format::Url => arg.value_name("URL"),
        Format::Number => arg.value_name("NUMBER"),
        Format::Choice(words) => arg.value_name("WORD").value_parser(words.to_vec()),
        Format::Text | Format::Lines | Format::Proxy => arg.value_name("TEXT"),
    };
    match is_plain(field) {
        true => arg.required_unless_present(URL_OPTION),
        false => arg.required(field.required).long(option(field)).allow_hyphen_values(true),
    }
}

/// Whether it may be written without its option.
fn is_plain(field: &Field) -> bool {
    field.name == URL && field.required
}

fn url_option(field: &Field) -> Arg {
    Arg::new(URL_OPTION).long(option(field)).value_name("URL").conflicts_with(field.name).help("The same as <URL>")
}

fn command(kind: ChannelKind) -> Command {
    let name =
        Arg::new(NAME).long(NAME).value_name("NAME").required(true).help("Name by which commands and pages call it");
    let urls = kind.fields().iter().filter(|field| is_plain(field)).map(url_option);
    Command::new(kind.name())
        .about(capitalised(kind.about()))
        .arg(name)
        .args(kind.fields().iter().map(argument))
        .args(urls)
}

impl FromArgMatches for AddArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let missing = || Error::new(ErrorKind::MissingSubcommand);
        let (kind, matches) = matches.subcommand().ok_or_else(missing)?;
        let kind = ChannelKind::from_name(kind).ok_or_else(missing)?;
        let text = |name: &str| matches.get_one::<String>(name).cloned();
        let mut settings = BTreeMap::new();
        for field in kind.fields() {
            let of_option = || if is_plain(field) { text(URL_OPTION) } else { None };
            let Some(value) = text(field.name).or_else(of_option) else { continue };
            settings.insert(field.name.to_owned(), read(field, value)?);
        }
        Ok(Self { kind, name: text(NAME).unwrap_or_default(), settings })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The value of a secret may be in a file, because others can see the arguments of a command.
fn read(field: &Field, value: String) -> Result<String, Error> {
    let Some(path) = value.strip_prefix('@').filter(|_| field.secret) else { return Ok(value) };
    fs::read_to_string(path).map(|text| text.trim_end_matches(['\r', '\n']).to_owned()).map_err(|error| {
        let mut refused = Error::new(ErrorKind::ValueValidation);
        refused.insert(ContextKind::InvalidArg, ContextValue::String(format!("--{}", option(field))));
        refused.insert(ContextKind::InvalidValue, ContextValue::String(format!("@{path}: {error}")));
        refused
    })
}

impl Subcommand for AddArgs {
    fn augment_subcommands(command: Command) -> Command {
        command.subcommands(ChannelKind::ALL.map(self::command)).subcommand_required(true).arg_required_else_help(true)
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        ChannelKind::from_name(name).is_some()
    }
}
