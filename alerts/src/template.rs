//! Templates of webhooks.

use std::{
    error::Error as _,
    io::{self, Write},
};

use minijinja::{AutoEscape, Environment, Error, Output, State, UndefinedBehavior, Value, context, value::Serde};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    Message,
    layout::{self, PLAIN},
};

/// How values are escaped in what a template makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// As JSON, with the quotes of texts.
    Json,
    /// As text of HTML or XML.
    Html,
    /// As part of a form.
    Form,
    /// Not at all, but each value stays on its line.
    Line,
}

/// A template, in the language of Jinja.
pub struct Template<'a> {
    source: &'a str,
    environment: Environment<'a>,
}

/// How many steps a template may take.
const FUEL: u64 = 100_000;

/// How much a template may make, in bytes.
const LONGEST: usize = 256 * 1024;

/// The longest text that templates get as a whole, in bytes.
const LONGEST_TEXT: usize = 8 * 1024;

impl<'a> Template<'a> {
    /// A template with this source.
    ///
    /// # Errors
    ///
    /// What is wrong with it, with the line.
    pub fn new(source: &'a str, escape: Escape) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_fuel(Some(FUEL));
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(move |_| match escape {
            Escape::Json => AutoEscape::Json,
            Escape::Html => AutoEscape::Html,
            Escape::Form | Escape::Line => AutoEscape::None,
        });
        match escape {
            Escape::Json | Escape::Html => {}
            Escape::Form => {
                environment.set_formatter(formatted(|text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()))
            }
            Escape::Line => environment.set_formatter(formatted(layout::clean)),
        }
        environment.template_from_named_str("template", source).map_err(|error| described(&error))?;
        Ok(Self { source, environment })
    }

    /// What it makes of `message`.
    ///
    /// # Errors
    ///
    /// If it names something that is not there, takes too many steps, or makes too much.
    pub fn render(&self, message: &Message) -> Result<String, String> {
        let template =
            self.environment.template_from_named_str("template", self.source).map_err(|error| described(&error))?;
        let mut made = Bounded(Vec::new());
        let values = context! {
            text => layout::whole(message, &PLAIN, LONGEST_TEXT),
            ..Value::from(Serde(message))
        };
        template.render_captured_to(values, &mut made).map_err(|error| described(&error))?;
        String::from_utf8(made.0).map_err(|_| "it makes something that is no text".to_owned())
    }
}

/// Writes values as `escape` makes them.
fn formatted(
    escape: impl Fn(&str) -> String + Send + Sync + 'static,
) -> impl Fn(&mut Output, &mut State, &Value) -> Result<(), Error> + Send + Sync + 'static {
    move |out, _, value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        out.write_str(&escape(&text)).map_err(Error::from)
    }
}

/// The error with its line, without the source.
fn described(error: &Error) -> String {
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    let line = error.line().map(|line| format!(" in line {line}")).unwrap_or_default();
    layout::one_line(&format!("{}{detail}{cause}{line}", error.kind()), 300)
}

/// Takes at most [`LONGEST`] bytes.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST {
            return Err(io::Error::other("it makes more than 256 KiB"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
