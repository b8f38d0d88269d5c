//! What is wrong with the syntax of a list, as a type: a program may tell it in the reader's language.

use serde::{Deserialize, Serialize};

/// A mistake in the syntax of a JSON document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{detail}")]
pub struct JsonMistake {
    /// The line, from 1; 0 if the parser does not know it.
    pub line: usize,
    /// The column of the line, from 1; 0 before its first character.
    pub column: usize,
    /// What is wrong there.
    pub kind: JsonMistakeKind,
    /// The sentence of the parser, with the place. It quotes nothing of the document.
    detail: String,
}

/// What is wrong with the syntax of a JSON document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JsonMistakeKind {
    /// The document ends too early.
    Incomplete,
    /// A comma is the last thing in an array or an object.
    TrailingComma,
    /// An array or an object goes on without a comma.
    NoComma,
    /// The name of a field is not followed by a colon.
    NoColon,
    /// There is no value where there must be one, such as a text without quotes.
    NoValue,
    /// The name of a field is not in double quotes.
    Key,
    /// A text has a control character or an escape that is not valid.
    Text,
    /// A number is not valid.
    Number,
    /// Something follows the document.
    Trailing,
    /// Arrays and objects are nested too deeply.
    TooDeep,
    /// Another mistake.
    Other,
}

impl From<serde_json::Error> for JsonMistake {
    fn from(error: serde_json::Error) -> Self {
        let detail = error.to_string();
        Self { line: error.line(), column: error.column(), kind: JsonMistakeKind::of(&error, &detail), detail }
    }
}

impl JsonMistakeKind {
    /// The library tells the kinds apart by their texts alone.
    fn of(error: &serde_json::Error, detail: &str) -> Self {
        if error.is_eof() {
            return Self::Incomplete;
        }
        let kinds = [
            ("trailing comma", Self::TrailingComma),
            ("expected `,` or", Self::NoComma),
            ("expected `:`", Self::NoColon),
            ("expected value", Self::NoValue),
            ("expected ident", Self::NoValue),
            ("key must be a string", Self::Key),
            ("expected `\"`", Self::Key),
            ("control character", Self::Text),
            ("invalid escape", Self::Text),
            ("invalid unicode", Self::Text),
            ("unexpected end of hex escape", Self::Text),
            ("lone ", Self::Text),
            ("invalid number", Self::Number),
            ("number out of range", Self::Number),
            ("trailing characters", Self::Trailing),
            ("recursion limit", Self::TooDeep),
        ];
        kinds.into_iter().find(|(start, _)| detail.starts_with(start)).map_or(Self::Other, |(_, kind)| kind)
    }
}

/// A mistake in the syntax of a TOML document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{}{detail}", line.map(|line| format!("line {line}: ")).unwrap_or_default())]
pub struct TomlMistake {
    /// The line, from 1, if the parser knows it.
    pub line: Option<usize>,
    /// Whether a key is there twice; otherwise the syntax is wrong.
    pub is_duplicate: bool,
    /// The sentence of the parser. It quotes nothing of the document, which may hold secrets.
    detail: String,
}

impl TomlMistake {
    /// The mistake that the parser found in `text`.
    pub(super) fn new(text: &str, error: &toml::de::Error) -> Self {
        let detail = error.message().to_owned();
        let line = error.span().map(|span| line_number(text, span.start));
        Self { line, is_duplicate: detail.starts_with("duplicate key"), detail }
    }
}

/// The number of the line, from 1, that holds the byte at `offset`.
fn line_number(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}
