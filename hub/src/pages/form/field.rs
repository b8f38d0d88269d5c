//! The fields of a form, each with its error message.

use maud::{Markup, html};

use crate::{pages::language::Language, service::FieldError};

/// Renders the fields of one form.
#[derive(Clone, Copy)]
pub struct Fields<'a> {
    language: Language,
    wrong: Option<&'a FieldError>,
}

/// A field of one line.
pub struct Input<'a> {
    pub name: &'a str,
    pub label: &'a str,
    pub value: &'a str,
    /// `text`, `email`, `password`, `number`.
    pub kind: &'a str,
    /// The maximum length in characters, or the bounds of a number.
    pub limits: Limits,
    pub required: bool,
    pub hint: Option<&'a str>,
    /// The class of the label: `grow`, `short`.
    pub class: &'a str,
    pub placeholder: Option<&'a str>,
    pub autocomplete: &'a str,
}

/// The limits that a browser enforces.
#[derive(Clone, Copy)]
pub enum Limits {
    Characters(usize),
    Numbers { min: u32, max: u32 },
}

impl<'a> Input<'a> {
    /// A field of text with at most `max` characters.
    pub fn text(name: &'a str, label: &'a str, value: &'a str, max: usize) -> Self {
        Self {
            name,
            label,
            value,
            kind: "text",
            limits: Limits::Characters(max),
            required: false,
            hint: None,
            class: "grow",
            placeholder: None,
            autocomplete: "off",
        }
    }

    /// A field for a whole number.
    pub fn number(name: &'a str, label: &'a str, value: &'a str, min: u32, max: u32) -> Self {
        Self { kind: "number", limits: Limits::Numbers { min, max }, class: "", ..Self::text(name, label, value, 0) }
    }

    /// A field for a new secret. Browsers do not fill it in, and pages do not show it again.
    pub fn secret(name: &'a str, label: &'a str, max: usize) -> Self {
        Self { kind: "password", autocomplete: "new-password", ..Self::text(name, label, "", max) }
    }

    pub fn required(self) -> Self {
        Self { required: true, ..self }
    }

    pub fn hint(self, hint: &'a str) -> Self {
        Self { hint: Some(hint), ..self }
    }
}

impl<'a> Fields<'a> {
    /// `wrong`: the field that was refused, and why.
    pub fn new(language: Language, wrong: Option<&'a FieldError>) -> Self {
        Self { language, wrong }
    }

    pub fn input(&self, input: &Input) -> Markup {
        let Input { name, label, value, kind, required, class, placeholder, autocomplete, .. } = *input;
        let problem = self.problem(name);
        let note = problem.as_deref().or(input.hint);
        let (length, min, max) = match input.limits {
            Limits::Characters(max) => (Some(max), None, None),
            Limits::Numbers { min, max } => (None, Some(min), Some(max)),
        };
        let is_name = matches!(name, "host" | "network_name");
        html! {
            label class=[filled(class)] {
                span { (label) @if required { " *" } }
                input name=(name) type=(kind) value=[filled(value)] required[required] maxlength=[length] min=[min] max=[max]
                    inputmode=[min.map(|_| "numeric")] placeholder=[placeholder] autocomplete=(autocomplete)
                    spellcheck=[is_name.then_some("false")] autocapitalize=[is_name.then_some("none")]
                    aria-invalid=[problem.as_ref().map(|_| "true")] aria-describedby=[note.map(|_| note_id(name))];
                @if let Some(note) = note { small id=(note_id(name)) .problem[problem.is_some()] { (note) } }
            }
        }
    }

    /// A field of several lines.
    pub fn text_area(&self, name: &str, label: &str, value: &str, max: usize, hint: Option<&str>) -> Markup {
        let problem = self.problem(name);
        let note = problem.as_deref().or(hint);
        html! {
            label { span { (label) }
                textarea name=(name) rows="3" maxlength=(max) aria-invalid=[problem.as_ref().map(|_| "true")]
                    aria-describedby=[note.map(|_| note_id(name))] { (value) }
                @if let Some(note) = note { small id=(note_id(name)) .problem[problem.is_some()] { (note) } }
            }
        }
    }

    /// A choice of `(value, text)`.
    pub fn select<'o>(
        &self,
        name: &str,
        label: &str,
        chosen: &str,
        options: impl IntoIterator<Item = (&'o str, &'o str)>,
    ) -> Markup {
        let problem = self.problem(name);
        html! {
            label { span { (label) }
                select name=(name) aria-invalid=[problem.as_ref().map(|_| "true")] {
                    @for (value, text) in options { option value=(value) selected[value == chosen] { (text) } }
                }
                @if let Some(problem) = &problem { small.problem { (problem) } }
            }
        }
    }

    /// A box to tick, which sends `true`.
    pub fn check(&self, name: &str, label: &str, checked: bool) -> Markup {
        html! {
            label.check { input type="checkbox" name=(name) value="true" checked[checked]; span { (label) } }
        }
    }

    /// What is wrong with a group of fields.
    pub fn group_problem(&self, name: &str) -> Markup {
        html! { @if let Some(problem) = self.problem(name) { p { small.problem { (problem) } } } }
    }

    fn problem(&self, name: &str) -> Option<String> {
        let error = self.wrong.filter(|error| error.field == name)?;
        Some(self.language.problem(&error.problem))
    }
}

fn note_id(name: &str) -> String {
    format!("{name}-note")
}

fn filled(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}
