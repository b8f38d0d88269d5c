//! The text of a list's bytes.

use super::problem::ListProblem;

/// How UTF-16 begins, if it says so.
const UTF16_MARKS: [[u8; 2]; 2] = [[0xff, 0xfe], [0xfe, 0xff]];

/// The text in bytes that must be UTF-8.
pub(super) fn text(bytes: &[u8]) -> Result<&str, ListProblem> {
    let is_utf16 = UTF16_MARKS.iter().any(|mark| bytes.starts_with(mark)) || has_zeros(bytes);
    match std::str::from_utf8(bytes) {
        // Text of ASCII characters in UTF-16 is valid UTF-8 too.
        _ if is_utf16 => Err(ListProblem::Utf16),
        Ok(text) => Ok(text),
        Err(_) => Err(ListProblem::NotUtf8),
    }
}

/// Whether one byte of each of the first two pairs is zero, which no text in UTF-8 has.
fn has_zeros(bytes: &[u8]) -> bool {
    matches!(bytes, [0, a, 0, b, ..] | [a, 0, b, 0, ..] if *a != 0 && *b != 0)
}
