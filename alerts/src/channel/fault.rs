//! Why the value of a setting makes no sense.

use std::{borrow::Cow, fmt};

use crate::Language;

/// Why the value of a setting makes no sense, in both languages. It never quotes the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    english: Cow<'static, str>,
    chinese: Cow<'static, str>,
}

impl Fault {
    pub(crate) fn new(english: impl Into<Cow<'static, str>>, chinese: impl Into<Cow<'static, str>>) -> Self {
        Self { english: english.into(), chinese: chinese.into() }
    }

    /// A template that cannot be used. `error`: what its language says, which has no other words for it.
    pub(crate) fn of_template(error: String) -> Self {
        let chinese = format!("模板有误（{error}）");
        Self::new(error, chinese)
    }

    /// The reason, without a capital letter or a full stop.
    pub fn in_language(&self, language: Language) -> &str {
        language.pick(&self.english, &self.chinese)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.english)
    }
}

impl From<Fault> for String {
    fn from(fault: Fault) -> Self {
        fault.english.into_owned()
    }
}
