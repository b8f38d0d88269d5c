//! Names and other texts of one line that the operator writes.

use super::{FieldError, FieldProblem};

/// The maximum length of the name of a token, a key or a channel, in characters.
pub const MAX_NAME: usize = 128;

/// The text of a field without the space around it; `None` for an empty one.
///
/// # Errors
///
/// [`FieldProblem::NoName`] when it has more than `max` characters or a control character.
pub(super) fn line(field: &'static str, text: &str, max: usize) -> Result<Option<String>, FieldError> {
    let text = text.trim();
    if text.chars().count() > max || text.contains(char::is_control) {
        return Err(FieldError::new(field, FieldProblem::NoName { max }));
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

/// The name of a token, a key or a channel, without the space around it.
///
/// # Errors
///
/// [`FieldProblem::NoName`] when it is empty, has more than [`MAX_NAME`] characters or a control character.
pub(super) fn name(text: &str) -> Result<String, FieldError> {
    line("name", text, MAX_NAME)?.ok_or_else(|| FieldError::new("name", FieldProblem::NoName { max: MAX_NAME }))
}
