//! The layers that a value can come from: flags, the environment, `.env`, a TOML file, in this order.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use crate::{ConfigError, Setting};

/// The maximum edit distance between an unknown key and the setting that the error suggests.
const MAX_SUGGESTION_DISTANCE: usize = 3;

/// The input of the layers. Files are read later, by [`Reader::new`](crate::Reader::new).
#[derive(Clone, Default)]
pub struct Sources {
    /// Values of flags, by the name of the setting (`PEER_FETCH_INTERVAL`).
    pub flags: BTreeMap<String, String>,
    /// Environment variables. Those that are not settings are ignored.
    pub environment: BTreeMap<String, OsString>,
    /// The folder of `.env`, and of a TOML file with a relative path.
    pub directory: PathBuf,
    /// The name of this machine, from which the default of `SERVER_ID` is made.
    pub host_name: String,
    /// Defaults that replace those of the tables, by the name of the setting.
    pub defaults: BTreeMap<&'static str, &'static str>,
}

impl Sources {
    /// `flags`, the environment, the working directory and the host name of this process.
    pub fn from_process(flags: BTreeMap<String, String>) -> Self {
        let environment =
            Setting::all().filter_map(|setting| Some((setting.name.to_owned(), std::env::var_os(setting.name)?)));
        Self {
            flags,
            environment: environment.collect(),
            directory: PathBuf::from("."),
            host_name: gethostname::gethostname().to_string_lossy().into_owned(),
            defaults: BTreeMap::new(),
        }
    }
}

/// Values may be secret, so only names are shown.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("flags", &self.flags.keys())
            .field("environment", &self.environment.keys())
            .field("directory", &self.directory)
            .field("host_name", &self.host_name)
            .field("defaults", &self.defaults)
            .finish()
    }
}

/// A value, and the setting and layer that an error names, such as `REGION (environment)`.
#[derive(Clone)]
pub(crate) struct GivenValue {
    pub(crate) value: String,
    pub(crate) place: String,
}

/// For each setting the value of the highest layer that has one. An empty value counts as no value.
pub(crate) struct Layers {
    given: BTreeMap<&'static str, GivenValue>,
}

impl Layers {
    /// Reads all layers. Adds unreadable files and unknown settings to `errors`.
    pub(crate) fn read(sources: &Sources, errors: &mut Vec<ConfigError>) -> Self {
        let mut layers = Self { given: BTreeMap::new() };
        layers.add_flags(&sources.flags, errors);
        layers.add_environment(&sources.environment, errors);
        layers.add_dotenv(&sources.directory.join(".env"), errors);
        if let Some(file) = layers.get("CONFIG_FILE").cloned() {
            layers.add_toml(&sources.directory.join(&file.value), &file, errors);
        }
        layers
    }

    pub(crate) fn get(&self, name: &str) -> Option<&GivenValue> {
        self.given.get(name)
    }

    /// Adds a value of the next lower layer.
    fn add(&mut self, setting: &'static Setting, value: String, place: String) {
        if !value.is_empty() {
            self.given.entry(setting.name).or_insert(GivenValue { value, place });
        }
    }

    fn add_flags(&mut self, flags: &BTreeMap<String, String>, errors: &mut Vec<ConfigError>) {
        for (name, value) in flags {
            match Setting::named(name) {
                Some(setting) => self.add(setting, value.clone(), format!("--{}", setting.flag())),
                None => errors.push(error_without_value(name.clone(), "there is no such flag")),
            }
        }
    }

    fn add_environment(&mut self, environment: &BTreeMap<String, OsString>, errors: &mut Vec<ConfigError>) {
        for (name, value) in environment {
            let Some(setting) = Setting::named(name) else { continue };
            let place = format!("{name} (environment)");
            match value.to_str() {
                Some(value) => self.add(setting, value.to_owned(), place),
                None => errors.push(error_without_value(place, "write it in UTF-8")),
            }
        }
    }

    /// Reads a file of `NAME=VALUE` lines. It need not exist, and may have lines for other programs.
    fn add_dotenv(&mut self, path: &Path, errors: &mut Vec<ConfigError>) {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return errors.push(error_without_value(".env", format!("cannot be read: {error}"))),
        };
        // If a name occurs twice, the last line wins.
        let mut values = BTreeMap::new();
        for line in dotenvy::from_read_iter(text.as_bytes()) {
            match line {
                Ok((name, value)) => {
                    values.insert(name, value);
                }
                Err(error) => {
                    // dotenvy's error quotes the line, which may hold a secret. Only its number is shown.
                    let place = match line_number(&error, &text) {
                        Some(number) => format!(".env, line {number}"),
                        None => ".env".to_owned(),
                    };
                    let problem = "write each line as NAME=VALUE, and a value with spaces in quotes";
                    errors.push(error_without_value(place, problem));
                }
            }
        }
        for (name, value) in values {
            if let Some(setting) = Setting::named(&name) {
                self.add(setting, value, format!("{name} (.env)"));
            }
        }
    }

    fn add_toml(&mut self, path: &Path, file: &GivenValue, errors: &mut Vec<ConfigError>) {
        let table = match read_toml(path) {
            Ok(table) => table,
            Err(problem) => {
                let (place, value) = (file.place.clone(), Some(file.value.clone()));
                return errors.push(ConfigError { place, value, problem });
            }
        };
        let mut seen = BTreeSet::new();
        for (key, value) in table {
            let place = format!("{key} ({})", file.value);
            let Some(setting) = Setting::with_key(&key).filter(|setting| setting.name != "CONFIG_FILE") else {
                errors.push(error_without_value(place, format!("there is no such setting{}", suggestion(&key))));
                continue;
            };
            if !seen.insert(setting.name) {
                errors.push(error_without_value(place, "occurs twice, in two spellings; remove one"));
                continue;
            }
            match as_text(value) {
                Some(value) => self.add(setting, value, place),
                None => errors.push(error_without_value(
                    place,
                    "write a string, a number, true or false, or an array of strings",
                )),
            }
        }
    }
}

fn error_without_value(place: impl Into<String>, problem: impl Into<String>) -> ConfigError {
    ConfigError { place: place.into(), value: None, problem: problem.into() }
}

/// The number of the line in `text` that `error` is about.
fn line_number(error: &dotenvy::Error, text: &str) -> Option<usize> {
    let dotenvy::Error::LineParse(part, _) = error else { return None };
    let part = part.lines().next()?;
    Some(text.lines().position(|line| line.contains(part))? + 1)
}

fn read_toml(path: &Path) -> Result<toml::Table, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    toml::from_str(&text).map_err(|error| {
        // The Display of the error quotes the line, which may hold a secret.
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
        format!("not TOML, at line {line}: {}", error.message())
    })
}

/// A TOML value as it is written in the environment.
fn as_text(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(boolean) => Some(boolean.to_string()),
        toml::Value::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
            Some(texts?.join(","))
        }
        _ => None,
    }
}

/// The setting whose key is nearest to an unknown one.
fn suggestion(key: &str) -> String {
    let key = key.to_ascii_lowercase().replace('-', "_");
    let by_distance = Setting::all().map(|setting| (strsim::levenshtein(&key, &setting.key()), setting));
    match by_distance.min_by_key(|(distance, _)| *distance) {
        Some((distance, setting)) if distance <= MAX_SUGGESTION_DISTANCE => {
            format!("; did you mean {}?", setting.key())
        }
        _ => String::new(),
    }
}
