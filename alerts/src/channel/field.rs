//! The settings of channels: what each kind needs, and their values.

use std::collections::BTreeMap;

use url::Url;

use super::fault::Fault;

/// One setting of a kind of channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name in snake case.
    pub name: &'static str,
    /// Its value is not shown once it is set.
    pub secret: bool,
    /// There is no channel without it.
    pub required: bool,
    /// What its values look like.
    pub format: Format,
    /// What it is, in one line of English.
    pub english: &'static str,
    /// What it is, in one line of Chinese.
    pub chinese: &'static str,
}

/// What the values of a field look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One line.
    Text,
    /// Any number of lines.
    Lines,
    /// An absolute URL with http or https.
    Url,
    /// The URL of a proxy: http, https, socks5, or socks5h, which leaves names to the proxy.
    Proxy,
    /// A whole number that is not negative.
    Number,
    /// One of these words.
    Choice(&'static [&'static str]),
}

impl Field {
    pub(crate) const fn optional(
        name: &'static str,
        format: Format,
        english: &'static str,
        chinese: &'static str,
    ) -> Self {
        Self { name, secret: false, required: false, format, english, chinese }
    }

    pub(crate) const fn required(
        name: &'static str,
        format: Format,
        english: &'static str,
        chinese: &'static str,
    ) -> Self {
        Self { required: true, ..Self::optional(name, format, english, chinese) }
    }

    pub(crate) const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }
}

/// The field that every kind has.
pub(crate) const PROXY: Field = Field::optional(
    "proxy",
    Format::Proxy,
    "the proxy to reach the service through: http://, https://, socks5:// or socks5h://",
    "访问该服务所用的代理：http://、https://、socks5:// 或 socks5h://",
)
.secret();

/// Values of fields, without empty ones.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    pub(crate) fn new(settings: BTreeMap<String, String>) -> Self {
        Self(settings.into_iter().filter(|(_, value)| !value.trim().is_empty()).collect())
    }

    pub(crate) fn all(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// The same with another value of a field.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut settings = self.0.clone();
        settings.insert(name.to_owned(), value.to_owned());
        Self(settings)
    }

    /// The value of a field that may be missing.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of a required field.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// The value of a field, or what holds without it.
    pub(crate) fn or<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.get(name).unwrap_or(default)
    }

    /// The URL in a field, or this one.
    pub(crate) fn url(&self, name: &str, default: &str) -> Result<Url, String> {
        Url::parse(self.or(name, default).trim()).map_err(|error| format!("{name}: {error}"))
    }

    /// The URL in a field, or this one, with more segments at the end of its path.
    pub(crate) fn endpoint(&self, name: &str, default: &str, segments: &[&str]) -> Result<Url, String> {
        let mut url = self.url(name, default)?;
        match url.path_segments_mut() {
            Ok(mut path) => {
                path.pop_if_empty().extend(segments);
            }
            Err(()) => return Err(format!("{name}: nothing can be below this URL")),
        }
        Ok(url)
    }
}

/// The longest value of one line, in bytes.
const LONGEST_LINE: usize = 2000;

/// The longest value of several lines, in bytes.
const LONGEST_TEXT: usize = 16 * 1024;

impl Format {
    /// Whether a value is of this format; the error never quotes it.
    pub(crate) fn check(self, value: &str) -> Result<(), Fault> {
        let (longest, lines) = match self {
            Self::Lines => (LONGEST_TEXT, true),
            _ => (LONGEST_LINE, false),
        };
        if value.len() > longest {
            return Err(Fault::new(format!("it is longer than {longest} bytes"), format!("长度超过 {longest} 字节")));
        }
        if value.chars().any(|c| c.is_control() && !(lines && matches!(c, '\n' | '\r' | '\t'))) {
            return Err(Fault::new("it contains control characters", "含有控制字符"));
        }
        match self {
            Self::Text | Self::Lines => Ok(()),
            Self::Url => web_url(value, &["http", "https"]),
            Self::Proxy => web_url(value, &["http", "https", "socks5", "socks5h"]),
            Self::Number => {
                value.trim().parse::<u32>().map(drop).map_err(|_| Fault::new("it is not a whole number", "不是整数"))
            }
            Self::Choice(words) if words.contains(&value) => Ok(()),
            Self::Choice(words) => {
                Err(Fault::new(format!("it is one of {}", words.join(", ")), format!("只能是 {}", words.join("、"))))
            }
        }
    }
}

fn web_url(value: &str, schemes: &[&str]) -> Result<(), Fault> {
    let url =
        Url::parse(value.trim()).map_err(|error| Fault::new(format!("it is not a URL: {error}"), "不是有效的网址"))?;
    if !schemes.contains(&url.scheme()) {
        return Err(Fault::new(
            format!("its scheme is not one of {}", schemes.join(", ")),
            format!("协议只能是 {}", schemes.join("、")),
        ));
    }
    match url.host_str() {
        None | Some("") => Err(Fault::new("it names no host", "缺少主机名")),
        Some(_) => Ok(()),
    }
}
