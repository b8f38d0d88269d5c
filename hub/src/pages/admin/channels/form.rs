//! The form of a channel, made from the fields of its kind. Secrets are never shown again.

use std::collections::BTreeMap;

use easytier_uptime_alerts::{ChannelError, ChannelKind, Field, Format};
use maud::{Markup, html};

use crate::{
    pages::{
        form::{Fields, Input},
        language::Language,
    },
    service::{
        FieldError, FieldProblem, MAX_NAME,
        alerts::{ChannelChange, ChannelView, Settings},
    },
};

/// The longest value of a field, in characters.
const MAX_LINE: usize = 2000;
const MAX_LINES: usize = 16 * 1024;

/// The texts of a form by the names of its fields: `name`, `settings.FIELD`, and `clear.FIELD` for a secret to be removed.
pub type Sent = BTreeMap<String, String>;

/// The form of a channel.
#[derive(Debug, Default)]
pub struct ChannelForm {
    sent: Sent,
    /// What is shown of secrets that are set, when the channel exists.
    set: Option<Settings>,
    /// Whether the form was sent and comes back.
    is_back: bool,
}

impl ChannelForm {
    /// The form of a channel that exists.
    pub fn of(channel: &ChannelView, kind: ChannelKind) -> Self {
        let shown = |field: &&Field| !field.secret && channel.settings.contains_key(field.name);
        let value = |field: &Field| (setting(field.name), channel.settings[field.name].clone());
        let mut sent: Sent = kind.fields().iter().filter(shown).map(value).collect();
        sent.insert("name".to_owned(), channel.name.clone());
        Self { sent, set: Some(channel.settings.clone()), is_back: false }
    }

    /// A form that was sent. `channel`: the one that it changes.
    pub fn sent(sent: Sent, channel: Option<&ChannelView>) -> Self {
        // Browsers send the ends of lines of mails.
        let sent = sent.into_iter().map(|(name, value)| (name, value.replace("\r\n", "\n"))).collect();
        Self { sent, set: channel.map(|channel| channel.settings.clone()), is_back: true }
    }

    pub fn name(&self) -> &str {
        self.text("name")
    }

    /// The settings of a new channel.
    pub fn settings(&self, kind: ChannelKind) -> Settings {
        let value = |field: &Field| (field.name.to_owned(), self.value(field).to_owned());
        kind.fields().iter().map(value).filter(|(_, value)| !value.is_empty()).collect()
    }

    /// The change of a channel. A secret that is empty stays as it is, unless it is to be removed.
    pub fn change(&self, kind: ChannelKind) -> ChannelChange {
        let is_sent = |field: &&Field| {
            !field.secret || !self.value(field).is_empty() || !self.text(&format!("clear.{}", field.name)).is_empty()
        };
        let value = |field: &Field| (field.name.to_owned(), self.value(field).to_owned());
        let settings = kind.fields().iter().filter(is_sent).map(value).collect();
        ChannelChange { name: Some(self.name().to_owned()), settings, ..ChannelChange::default() }
    }

    fn text(&self, name: &str) -> &str {
        self.sent.get(name).map(String::as_str).unwrap_or_default()
    }

    fn value(&self, field: &Field) -> &str {
        self.text(&setting(field.name)).trim()
    }

    /// `wrong`: the field that was refused.
    pub fn render(&self, language: Language, kind: ChannelKind, wrong: Option<&FieldError>) -> Markup {
        let wrong = wrong.map(of_form);
        let fields = Fields::new(language, wrong.as_ref());
        html! {
            fieldset {
                legend { (language.channel_kind(kind)) }
                (fields.input(&Input::text("name", language.texts().name, self.name(), MAX_NAME).required()))
                @for field in kind.fields() { (self.field(language, &fields, field)) }
            }
        }
    }

    fn field(&self, language: Language, fields: &Fields, field: &Field) -> Markup {
        let texts = language.channels();
        let (name, label) = (setting(field.name), label(language, field));
        let known = self.set.as_ref();
        let shown = known.and_then(|set| set.get(field.name)).filter(|_| field.secret);
        let hint = match (known, shown) {
            (Some(_), Some(shown)) if field.secret => Some(format!("{shown}{}{}", language.dash(), texts.unchanged)),
            (Some(_), None) if field.secret => Some(texts.unchanged.to_owned()),
            (None, _) if field.secret && self.is_back && !self.value(field).is_empty() => {
                Some(language.texts().secret_again.to_owned())
            }
            _ => None,
        };
        let (value, is_required) =
            (if field.secret { "" } else { self.value(field) }, field.required && !(field.secret && known.is_some()));
        let input = match field.format {
            Format::Lines => {
                let label = if is_required { format!("{label} *") } else { label.clone() };
                fields.text_area(&name, &label, value, MAX_LINES, hint.as_deref())
            }
            Format::Choice(words) => {
                let usual = (!field.required).then_some(("", texts.usual));
                fields.select(&name, &label, value, usual.into_iter().chain(words.iter().map(|word| (*word, *word))))
            }
            Format::Number => {
                let input = Input::number(&name, &label, value, 0, u32::MAX);
                fields.input(&Input { required: is_required, ..input })
            }
            Format::Text | Format::Url | Format::Proxy => {
                let input = match field.secret {
                    true => Input::secret(&name, &label, MAX_LINE),
                    false => Input::text(&name, &label, value, MAX_LINE),
                };
                fields.input(&Input { required: is_required, hint: hint.as_deref(), ..input })
            }
        };
        html! {
            (input)
            @if field.secret && !field.required && known.is_some() {
                (fields.check(&format!("clear.{}", field.name), &format!("{}{}{label}", texts.clear, language.dash()), false))
            }
        }
    }
}

fn setting(field: &str) -> String {
    format!("settings.{field}")
}

/// What a field is, as labels begin.
fn label(language: Language, field: &Field) -> String {
    match language {
        Language::English => {
            let mut letters = field.english.chars();
            letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
        }
        Language::Chinese => field.chinese.to_owned(),
    }
}

/// The error at the field of the form that it is about.
fn of_form(error: &FieldError) -> FieldError {
    match &error.problem {
        FieldProblem::Channel(ChannelError::Missing { field, .. } | ChannelError::Invalid { field, .. }) => {
            FieldError::new(setting(field), error.problem.clone())
        }
        _ => error.clone(),
    }
}
