//! Reads settings one by one and collects the mistakes.

use std::fmt::Display;

use crate::{
    ConfigError, ConfigErrors, Setting, Sources,
    layers::{GivenValue, Layers},
    values,
};

/// Reads settings one by one and collects the mistakes, so that they are reported together.
///
/// Each setting is read with a function that parses its text: one of [`values`](crate::values), or the caller's own. Its
/// error text completes the sentence "SETTING = 'value': …".
pub struct Reader<'a> {
    sources: &'a Sources,
    layers: Layers,
    errors: Vec<ConfigError>,
}

impl<'a> Reader<'a> {
    /// Reads the layers. Files that cannot be read are among the mistakes that [`finish`](Self::finish) returns.
    pub fn new(sources: &'a Sources) -> Self {
        let mut errors = Vec::new();
        let layers = Layers::read(sources, &mut errors);
        Self { sources, layers, errors }
    }

    /// The value of the setting. Its default if no value is given, or if the given value is wrong, which is recorded.
    ///
    /// # Panics
    ///
    /// If neither the table nor [`Sources::defaults`] has a valid default for the setting.
    #[expect(clippy::expect_used, reason = "the tables are part of the program")]
    pub fn value<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> T {
        self.optional(name, &parse).unwrap_or_else(|| {
            let default = self.sources.defaults.get(name).copied().or_else(|| Setting::named(name)?.default);
            parse(default.expect("the setting has a default")).expect("the default is valid")
        })
    }

    /// The value of the setting. `None` if no value is given, or if the given value is wrong, which is recorded.
    pub fn optional<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let GivenValue { value, place } = self.layers.get(name)?;
        match parse(value) {
            Ok(value) => Some(value),
            Err(problem) => {
                let problem = match values::is_quoted(value) {
                    true => "is in quotes, which belong to the value here (docker keeps those of a file); remove them"
                        .to_owned(),
                    false => problem,
                };
                let error = ConfigError { place: place.clone(), value: without_secrets(name, value), problem };
                // Two parts of a configuration may read the same setting.
                if !self.errors.contains(&error) {
                    self.errors.push(error);
                }
                None
            }
        }
    }

    /// The name of this machine, as [`Sources::host_name`] has it.
    pub fn host_name(&self) -> &str {
        &self.sources.host_name
    }

    /// The setting and the layer that its value came from, such as `FLAP_DAMPING (environment)`; `None` if no value is
    /// given.
    pub fn place(&self, name: &str) -> Option<&str> {
        self.layers.get(name).map(|given| given.place.as_str())
    }

    /// Whether no value is given.
    pub fn is_missing(&self, name: &str) -> bool {
        self.layers.get(name).is_none()
    }

    /// Records a mistake if no value is given. `why` says what the setting is needed for.
    pub fn require(&mut self, name: &str, why: &str) {
        if self.is_missing(name) {
            self.errors.push(missing(name, why));
        }
    }

    /// Records a mistake that does not lie in the value of the setting alone.
    pub fn reject(&mut self, name: &str, problem: String) {
        let place = self.layers.get(name).map_or_else(|| name.to_owned(), |given| given.place.clone());
        self.errors.push(ConfigError { place, value: None, problem });
    }

    /// As [`finish`](Self::finish), for a configuration that is `None` if a mistake was recorded.
    ///
    /// # Errors
    ///
    /// All mistakes that were recorded.
    pub fn finish_option<T>(self, config: Option<T>) -> Result<T, ConfigErrors> {
        match config {
            Some(config) => self.finish(config),
            None => Err(ConfigErrors(self.errors)),
        }
    }

    /// Returns `config` if there was no mistake.
    ///
    /// # Errors
    ///
    /// All mistakes that were recorded.
    pub fn finish<T>(self, config: T) -> Result<T, ConfigErrors> {
        if self.errors.is_empty() { Ok(config) } else { Err(ConfigErrors(self.errors)) }
    }
}

pub(crate) fn missing(name: &str, why: impl Display) -> ConfigError {
    ConfigError { place: name.to_owned(), value: None, problem: format!("is not set; {why}") }
}

/// A wrong value as an error may show it. Of URLs only the parts that cannot hold a secret are kept, even if a URL is
/// malformed.
fn without_secrets(name: &str, value: &str) -> Option<String> {
    if Setting::named(name).is_none_or(|setting| setting.is_secret) {
        return None;
    }
    if !["BACKEND_BASE_URL", "DISCOVERY_SERVER_URL"].contains(&name) {
        return Some(value.to_owned());
    }
    let urls = value.split(',').map(|url| {
        let url = url.split(['?', '#']).next().unwrap_or_default();
        match url.rsplit_once('@') {
            Some((_, host)) => format!("…@{host}"),
            None => url.to_owned(),
        }
    });
    Some(urls.collect::<Vec<_>>().join(","))
}
