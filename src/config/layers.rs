//! Where the value of a setting comes from: flags, the environment, `.env`, a TOML file, in this order.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use super::{error::ConfigError, settings::Setting};

/// What is read besides the TOML file, whose name is itself a setting.
#[derive(Clone, Default)]
pub struct Sources {
    /// By the name of the setting (`PEER_FETCH_INTERVAL`).
    pub flags: BTreeMap<String, String>,
    /// By the name of the setting; what is not a setting is ignored.
    pub environment: BTreeMap<String, OsString>,
    /// Where `.env` and a TOML file with a relative path are.
    pub directory: PathBuf,
    /// Defaults other than those of the table, by name: the function has some.
    pub defaults: BTreeMap<&'static str, &'static str>,
}

impl Sources {
    /// What this process was started with, below these flags.
    pub fn of_process(flags: BTreeMap<String, String>) -> Self {
        let environment =
            Setting::all().filter_map(|setting| Some((setting.name.to_owned(), std::env::var_os(setting.name)?)));
        Self { flags, environment: environment.collect(), directory: PathBuf::from("."), defaults: BTreeMap::new() }
    }
}

/// Values may be secret: the names alone are shown.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("flags", &self.flags.keys())
            .field("environment", &self.environment.keys())
            .field("directory", &self.directory)
            .field("defaults", &self.defaults)
            .finish()
    }
}

/// One value, and what to call it in a message.
#[derive(Clone)]
pub(super) struct Given {
    pub(super) value: String,
    pub(super) place: String,
}

/// All values that were given, of each setting that of the highest layer. An empty value is none.
pub(super) struct Layers {
    given: BTreeMap<&'static str, Given>,
}

impl Layers {
    /// Reads all layers; what cannot be read is added to `errors`.
    pub(super) fn read(sources: &Sources, errors: &mut Vec<ConfigError>) -> Self {
        let mut layers = Self { given: BTreeMap::new() };
        for (name, value) in &sources.flags {
            match Setting::named(name) {
                Some(setting) => layers.add(setting, value.clone(), format!("--{}", setting.flag())),
                None => errors.push(problem(name.clone(), "there is no such flag".to_owned())),
            }
        }
        for (name, value) in &sources.environment {
            let Some(setting) = Setting::named(name) else { continue };
            let place = format!("{name} (environment)");
            match value.to_str() {
                Some(value) => layers.add(setting, value.to_owned(), place),
                None => errors.push(problem(place, "write it in UTF-8".to_owned())),
            }
        }
        layers.add_dotenv(&sources.directory.join(".env"), errors);
        if let Some(file) = layers.get("CONFIG_FILE").cloned() {
            layers.add_toml(&sources.directory.join(&file.value), &file, errors);
        }
        layers
    }

    pub(super) fn get(&self, name: &str) -> Option<&Given> {
        self.given.get(name)
    }

    /// Layers are added from the highest to the lowest.
    fn add(&mut self, setting: &'static Setting, value: String, place: String) {
        if !value.is_empty() {
            self.given.entry(setting.name).or_insert(Given { value, place });
        }
    }

    /// A file of `NAME=VALUE` lines, which need not exist, and in which other programs may have lines too.
    fn add_dotenv(&mut self, path: &Path, errors: &mut Vec<ConfigError>) {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return errors.push(problem(".env".to_owned(), format!("cannot be read: {error}"))),
        };
        // In a file the last line of a name holds.
        let mut values = BTreeMap::new();
        for line in dotenvy::from_read_iter(text.as_bytes()) {
            match line {
                Ok((name, value)) => {
                    values.insert(name, value);
                }
                Err(error) => {
                    // What cannot be parsed is not shown, because it may be a secret.
                    let place = match line_of(&error, &text) {
                        Some(number) => format!(".env, line {number}"),
                        None => ".env".to_owned(),
                    };
                    let what = "write each line as NAME=VALUE, and a value with spaces in quotes";
                    errors.push(problem(place, what.to_owned()));
                }
            }
        }
        for (name, value) in values {
            if let Some(setting) = Setting::named(&name) {
                self.add(setting, value, format!("{name} (.env)"));
            }
        }
    }

    fn add_toml(&mut self, path: &Path, file: &Given, errors: &mut Vec<ConfigError>) {
        let told = |problem| ConfigError { place: file.place.clone(), value: Some(file.value.clone()), problem };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return errors.push(told(format!("cannot be read: {error}"))),
        };
        let table: toml::Table = match toml::from_str(&text) {
            Ok(table) => table,
            Err(error) => {
                // The error itself shows the line, which may be that of a secret.
                let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
                return errors.push(told(format!("not TOML, at line {line}: {}", error.message())));
            }
        };
        let mut seen = BTreeSet::new();
        for (key, value) in table {
            let place = format!("{key} ({})", file.value);
            let Some(setting) = Setting::with_key(&key).filter(|setting| setting.name != "CONFIG_FILE") else {
                errors.push(problem(place, format!("there is no such setting{}", suggestion(&key))));
                continue;
            };
            if !seen.insert(setting.name) {
                errors.push(problem(place, "is there twice, in two spellings; remove one".to_owned()));
                continue;
            }
            match plain_text(value) {
                Some(value) => self.add(setting, value, place),
                None => errors
                    .push(problem(place, "write a text, a number, true or false, or an array of texts".to_owned())),
            }
        }
    }
}

fn problem(place: String, problem: String) -> ConfigError {
    ConfigError { place, value: None, problem }
}

/// The number of the line in `text` that could not be parsed.
fn line_of(error: &dotenvy::Error, text: &str) -> Option<usize> {
    let dotenvy::Error::LineParse(part, _) = error else { return None };
    let part = part.lines().next()?;
    Some(text.lines().position(|line| line.contains(part))? + 1)
}

/// A TOML value as one would write it in the environment.
fn plain_text(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(switch) => Some(switch.to_string()),
        toml::Value::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
            Some(texts?.join(","))
        }
        _ => None,
    }
}

/// The setting that was probably meant.
fn suggestion(key: &str) -> String {
    let key = key.to_ascii_lowercase().replace('-', "_");
    let near = Setting::all().map(|setting| (edits(&key, &setting.key()), setting)).min_by_key(|(edits, _)| *edits);
    match near {
        Some((edits, setting)) if edits <= 3 => format!("; did you mean {}?", setting.key()),
        _ => String::new(),
    }
}

/// How many letters to add, remove or change to make one text the other.
fn edits(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.bytes().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}
